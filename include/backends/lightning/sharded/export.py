"""A model that no worker has whole, to the one ONNX file that serves it: its graph first, then the weights, blob by blob.

The module is traced with weights that have a shape and no values. What comes of it is written with room for each weight, and
every blob of the checkpoint puts its rows where they belong: nothing larger than a blob is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import onnx
import onnxscript
import torch
from onnxscript import ir
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from include.backends.lightning.export import Probability, quiet_exporter
from include.backends.lightning.plan import Build, Plan
from include.backends.lightning.sharded.rows import WEIGHT, blobs_of
from include.backends.lightning.sharded.strategy import build_deferred
from include.backends.lightning.state import restore
from include.backends.lightning.state_file import State
from include.core.errors import IntegrityError
from include.training.checkpoint import CheckpointStore
from include.training.job import Floats

_GRAPH, _INITIALIZER, _RAW = 7, 5, 9  # numbers of the fields in ONNX's messages
_OF_BYTES = 2  # a field's type on the wire


def export_rows(plan: Plan, build: Build, features: Floats, store: CheckpointStore, state: State, path: Path) -> None:
    """Write the model whose weights the finished checkpoint `state` has to `path`."""
    module, _ = build_deferred(plan, build, features, None)
    module.load_state_dict(state["trainer"]["state_dict"], strict=False)
    restore(state["workers"][0], module, [])
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    alike = {name: names[id(parameter)] for name, parameter in module.named_parameters(remove_duplicate=False)}
    model, weights = _traced(module, plan, alike)
    with path.open("wb") as file:
        places = _write(file, model, weights, state["layout"]["weights"])
        fill(file, places, store, state)


def _traced(module: Any, plan: Plan, alike: dict[str, str]) -> tuple[ir.Model, dict[str, str]]:
    """The graph without its weights, and the weight that each missing initializer is."""
    _forget_values(module)
    served = Probability(module, plan.inputs, plan.link).eval()
    with quiet_exporter():
        program = torch.onnx.export(
            served, (torch.zeros(2, len(plan.inputs)),), input_names=["features"],
            output_names=[plan.outputs[0] if len(plan.outputs) == 1 else "outputs"],
            dynamic_shapes=({0: torch.export.Dim("n")},), dynamo=True, optimize=False, verbose=False,
        )  # fmt: skip
        assert program is not None
        model = program.model
        weights = {
            name: alike[name.removeprefix("module.")]
            for name, value in model.graph.initializers.items()
            if isinstance(getattr(value.const_value, "raw", None), FakeTensor)
        }
        with _as_inputs(model.graph, list(weights)):  # else the optimizer would compute with values that are not there
            onnxscript.optimizer.optimize_ir(model)
            onnxscript.rewriter.onnx_fusions.fuse(model)
    return model, weights


def _forget_values(module: nn.Module) -> None:
    """Weights that have a shape alone, on the CPU as the exporter wants them."""
    fake: dict[int, nn.Parameter] = {}
    with FakeTensorMode(allow_non_fake_inputs=True):
        for part in module.modules():
            for name, parameter in part._parameters.items():
                if parameter is not None:
                    if id(parameter) not in fake:
                        fake[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="cpu"), requires_grad=False)
                    part._parameters[name] = fake[id(parameter)]


@contextmanager
def _as_inputs(graph: ir.Graph, names: list[str]) -> Iterator[None]:
    values = [graph.initializers.pop(name) for name in names]
    for value in values:
        value.const_value = None
    graph.inputs.extend(values)
    yield
    del graph.inputs[-len(values) :]


def _write(file: IO[bytes], model: ir.Model, weights: dict[str, str], layout: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """The file with room for the weights; where each begins, and its bytes."""
    proto = ir.to_proto(model)
    graph = proto.graph.SerializeToString()
    proto.ClearField("graph")
    heads, size = [], len(graph)
    for name, weight in weights.items():
        shape, kind = layout[weight]
        dtype = getattr(torch, kind)
        raw = torch.Size(shape).numel() * dtype.itemsize
        head = onnx.TensorProto(name=name, dims=shape, data_type=_TYPES[dtype]).SerializeToString() + field_head(_RAW, raw)
        heads.append((weight, field_head(_INITIALIZER, len(head) + raw) + head, raw))
        size += len(heads[-1][1]) + raw
    file.write(proto.SerializeToString() + field_head(_GRAPH, size) + graph)
    places = {}
    for weight, head, raw in heads:
        file.write(head)
        places[weight] = file.tell(), raw
        file.seek(raw, 1)
    file.truncate()
    return places


def fill(file: IO[bytes], places: dict[str, tuple[int, int]], store: CheckpointStore, state: State) -> None:
    missing = {name: raw for name, (_, raw) in places.items()}
    for rows in blobs_of(store, state, lambda kind, name, *_: kind == WEIGHT and name in places):
        values = rows.values.contiguous()
        start = places[rows.name][0] + rows.start * (values.nbytes // max(1, len(values)))
        file.seek(start)
        file.write(values.reshape(-1).view(torch.uint8).numpy().data)
        missing[rows.name] -= values.nbytes
    if any(missing.values()):
        raise IntegrityError(
            "The finished checkpoint lacks rows of the model.", seen=[name for name, left in missing.items() if left][:5],
            safe="older checkpoints are kept.",
        )  # fmt: skip


def field_head(number: int, length: int) -> bytes:
    """The head of a field of so many bytes, as protobuf writes it."""
    return _varint(number << 3 | _OF_BYTES) + _varint(length)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


_TYPES = {
    torch.float32: onnx.TensorProto.FLOAT,
    torch.float64: onnx.TensorProto.DOUBLE,
    torch.float16: onnx.TensorProto.FLOAT16,
    torch.bfloat16: onnx.TensorProto.BFLOAT16,
}
