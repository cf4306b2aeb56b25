"""A worker's rows of weights, gradients and moments: written as verified blobs, and read again by any number of workers.

A blob is at most some tens of megabytes, so that neither side holds a second copy of what it has. Its record says which rows it
holds; the checkpoint of the step, which worker 0 writes once all blobs are there, has the records of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from include.backends.lightning.plan import Place
from include.backends.lightning.sharded.deferred import rows_of
from include.backends.lightning.state_file import State, load_tensors, write_state
from include.core import fault
from include.core.errors import IntegrityError, SpecError
from include.training.checkpoint import CheckpointStore

PIECE_BYTES = 16 << 20
WEIGHT, GRADIENT = "weight", "gradient"  # of a moment: "0.exp_avg", of the first optimizer

Record = dict[str, Any]  # blob, digest, holds: [kind, parameter, first row, rows]


@dataclass(frozen=True)
class Rows:
    """Some rows of one thing that a checkpoint holds."""

    kind: str
    name: str
    start: int
    values: Tensor  # on the CPU when it is written


def owned(module: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Each parameter once: its name in the module, whose it is, and its name there."""
    for name, _ in module.named_parameters():
        path, _, short = name.rpartition(".")
        yield name, module.get_submodule(path), short


def set_rows(owner: nn.Module, name: str, rows: Tensor) -> None:
    """Give a parameter that is cut, but on meta, its worker's rows."""
    cut = cast(DTensor, owner._parameters[name])
    value = DTensor.from_local(rows, cut.device_mesh, cut.placements, run_check=False, shape=cut.shape, stride=cut.stride())
    owner._parameters[name] = nn.Parameter(value, requires_grad=cut.requires_grad)


def local(tensor: Tensor) -> Tensor:
    """The worker's own rows of a parameter, a gradient or a moment."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def uncut(module: nn.Module) -> dict[str, Any]:
    """Of a module's state dict what every worker has whole: buffers, and what modules keep beside them."""
    return {name: value for name, value in module.state_dict().items() if not isinstance(value, DTensor)}


# -- writing -----------------------------------------------------------------------------------------------


def save_rows(store: CheckpointStore, step: int, place: Place, rows: Iterable[Rows]) -> list[Record]:
    """Write them as blobs and return the records of these."""
    records: list[Record] = []
    piece: list[Rows] = []

    def write() -> None:
        blob = f"shard-{step:09d}-{place.rank}of{place.world}-{len(records):05d}"
        digest = store.save(blob, write_state({str(number): each.values for number, each in enumerate(piece)}))
        holds = [[each.kind, each.name, each.start, len(each.values)] for each in piece]
        records.append({"blob": blob, "digest": digest, "holds": holds})
        piece.clear()
        fault.point("checkpoint.shard")

    size = 0
    for each in rows:
        if piece and size + each.values.nbytes > PIECE_BYTES:
            write()
            size = 0
        piece.append(each)
        size += each.values.nbytes
    if piece:
        write()
    return records


def rows_of_fit(module: nn.Module, optimizers: Sequence[Optimizer], place: Place) -> Iterator[Rows]:
    """This worker's weights, waiting gradients, and moments. Raises SpecError for a moment that is not cut as its weight is."""
    yield from rows_of_weights(module, place)
    names = names_of(module)
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            yield from _pieces(GRADIENT, name, parameter, parameter.grad, place)
    for number, optimizer in enumerate(optimizers):
        for weight, state in optimizer.state.items():
            for key, value in state.items():
                if isinstance(value, Tensor) and value.dim():
                    yield from _pieces(f"{number}.{key}", names[id(weight)], weight, value, place)


def rows_of_weights(module: nn.Module, place: Place) -> Iterator[Rows]:
    for name, parameter in module.named_parameters():
        yield from _pieces(WEIGHT, name, parameter, parameter, place)


def layout(module: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, Any]:
    """Shape and type of each weight; of each optimizer, by parameter, the types of what is in rows, and its other values."""
    names = names_of(module)
    weights = {name: [list(weight.shape), _type(weight)] for name, weight in module.named_parameters()}
    moments = []
    for optimizer in optimizers:
        moments.append(kept := dict[str, Any]())
        for parameter, state in optimizer.state.items():
            cut = {key: _type(value) for key, value in state.items() if isinstance(value, DTensor)}
            kept[names[id(parameter)]] = {"cut": cut, "whole": {key: value for key, value in state.items() if key not in cut}}
    gradients = [name for name, parameter in module.named_parameters() if parameter.grad is not None]
    return {"weights": weights, "gradients": gradients, "moments": moments}


def names_of(module: nn.Module) -> dict[int, str]:
    return {id(parameter): name for name, parameter in module.named_parameters()}


def _type(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _pieces(kind: str, name: str, parameter: Tensor, value: Tensor, place: Place) -> Iterator[Rows]:
    if value.shape != parameter.shape or getattr(value, "placements", None) != cast(DTensor, parameter).placements:
        what = kind.partition(".")[2]
        raise SpecError(
            f'training.strategy "fsdp" cannot take the optimizer: it keeps {what!r} of {name} in another shape.',
            seen=list(value.shape), safe="checkpoints that exist are kept.",
            hint='use an optimizer that keeps a value for each weight (SGD, Adam, AdamW, RMSprop, Adagrad), or "ddp".',
        )  # fmt: skip
    mine, start = local(value.detach()), rows_of(len(parameter), place).start
    each = max(1, PIECE_BYTES // max(1, mine[:1].nbytes))
    for first in range(0, len(mine), each):
        yield Rows(kind, name, start + first, mine[first : first + each].cpu().clone())


# -- reading -----------------------------------------------------------------------------------------------


def whole(store: CheckpointStore, state: State, place: Place) -> bool:
    """Whether this worker's share of the blobs match their digests: together the workers look at all of them."""
    return all(store.load_blob(each["blob"], each["digest"]) is not None for each in state["shards"][place.rank :: place.world])


def blobs_of(store: CheckpointStore, state: State, wanted: Callable[[str, str, int, int], bool]) -> Iterator[Rows]:
    """The rows that are `wanted` by kind, parameter, first row and number; one blob at a time. Raises IntegrityError."""
    for record in state["shards"]:
        held = [(str(number), each) for number, each in enumerate(record["holds"]) if wanted(*each)]
        if not held:
            continue
        data = store.load_blob(record["blob"], record["digest"])
        if data is None:
            raise IntegrityError(
                f"The blob {record['blob']} of the checkpoint of step {state['step']} has been damaged since it was looked at.",
                safe="older checkpoints are kept.", hint="the next attempt resumes from the newest that is whole.",
            )  # fmt: skip
        values = load_tensors(data)
        for number, (kind, name, first, _) in held:
            yield Rows(kind, name, first, values[number])


class Filled:
    """Tensors that are to be filled with rows of a checkpoint."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str], tuple[int, Tensor]] = {}

    def want(self, kind: str, name: str, start: int, values: Tensor) -> None:
        """The rows from `start` on, as many as `values` has."""
        if len(values):
            self._wanted[kind, name] = start, values

    @torch.no_grad()
    def read(self, store: CheckpointStore, state: State) -> None:
        """Raises IntegrityError unless every row was found."""
        missing = {key: len(values) for key, (_, values) in self._wanted.items()}
        for rows in blobs_of(store, state, self._overlap):
            missing[rows.kind, rows.name] -= self._put(rows)
        if any(missing.values()):
            raise IntegrityError(
                f"The checkpoint of step {state['step']} lacks rows.", seen=[key for key, rows in missing.items() if rows][:5],
                safe="older checkpoints are kept.",
            )  # fmt: skip

    def _overlap(self, kind: str, name: str, first: int, count: int) -> bool:
        wanted = self._wanted.get((kind, name))
        return wanted is not None and first < wanted[0] + len(wanted[1]) and wanted[0] < first + count

    def _put(self, rows: Rows) -> int:
        start, values = self._wanted[rows.kind, rows.name]
        begin, end = max(start, rows.start), min(start + len(values), rows.start + len(rows.values))
        values[begin - start : end - start].copy_(rows.values[begin - rows.start : end - rows.start])
        return end - begin


def load_weights(module: nn.Module, store: CheckpointStore, state: State, place: Place) -> None:
    """This worker's rows of the weights."""
    filled = Filled()
    for name, parameter in module.named_parameters():
        filled.want(WEIGHT, name, rows_of(len(parameter), place).start, local(parameter.detach()))
    filled.read(store, state)


def load_gradients(module: nn.Module, store: CheckpointStore, state: State, place: Place) -> None:
    """This worker's rows of gradients that wait for a step."""
    filled, waiting = Filled(), set(state["layout"]["gradients"])
    for name, parameter in module.named_parameters():
        if name in waiting:
            parameter.grad = torch.zeros_like(parameter)
            filled.want(GRADIENT, name, rows_of(len(parameter), place).start, local(parameter.grad))
    filled.read(store, state)


def load_moments(
    module: nn.Module, optimizers: Sequence[Optimizer], saved: Sequence[Any], store: CheckpointStore, state: State, place: Place
) -> None:
    """This worker's rows of what the optimizers keep; `saved`: their settings."""
    filled, names = Filled(), names_of(module)
    for number, (optimizer, settings) in enumerate(zip(optimizers, saved, strict=True)):
        kept, states = state["layout"]["moments"][number], dict[int, dict[str, Any]]()
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for index, parameter in enumerate(parameters):
            name = names[id(parameter)]
            if name in kept:
                rows = {key: torch.zeros_like(parameter, dtype=getattr(torch, dtype)) for key, dtype in kept[name]["cut"].items()}
                for key, value in rows.items():
                    filled.want(f"{number}.{key}", name, rows_of(len(parameter), place).start, local(value))
                states[index] = {**kept[name]["whole"], **{key: value.detach() for key, value in rows.items()}}
        optimizer.load_state_dict({"state": states, "param_groups": settings["param_groups"]})
    filled.read(store, state)
