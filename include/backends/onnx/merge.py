"""Several models of one output each as one file of several outputs: a value, and the bounds of its interval, say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.core.errors import DataError


def merged(parts: Mapping[str, bytes], *, interval: bool = False) -> bytes:
    """ONNX files of one output [n], by the name that it gets. They take the same inputs, by name.

    :param interval: the first is a value, the others the bounds of its interval, which never leave it outside: models that were
        fitted apart cross each other where they know little
    Raises DataError for files of other operators' releases, or of more than one output.
    """
    import onnx
    from onnx import compose, helper

    nodes: list[Any] = []
    constants: list[Any] = []
    inputs: dict[str, Any] = {}
    outputs: list[Any] = []
    opsets: dict[str, int] = {}
    made: dict[str, str] = {}
    for name, data in parts.items():
        proto = compose.add_prefix(onnx.load_model_from_string(data), f"{name}/", rename_inputs=False)
        if len(proto.graph.output) != 1:
            raise DataError(f"The model of {name!r} must have one output.", seen=[each.name for each in proto.graph.output])
        _agree(name, opsets, proto)
        nodes += proto.graph.node
        made[name] = proto.graph.output[0].name
        constants += proto.graph.initializer
        inputs |= {each.name: each for each in proto.graph.input}
        outputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]))
    graph = helper.make_graph([*nodes, *_named(made, interval=interval)], "several", list(inputs.values()), outputs, constants)
    written = helper.make_model(graph, opset_imports=_imports(opsets), ir_version=8).SerializeToString(deterministic=True)
    assert isinstance(written, bytes)
    return written


def _named(made: Mapping[str, str], *, interval: bool) -> list[Any]:
    """From what each part makes to the output of its name."""
    from onnx import helper

    value, *bounds = made
    operators = dict(zip(bounds, ("Min", "Max"), strict=False)) if interval else {}
    return [
        helper.make_node(operators[name], [made[value], made[name]], [name])
        if name in operators
        else helper.make_node("Identity", [made[name]], [name])
        for name in made
    ]


def _agree(name: str, opsets: dict[str, int], proto: Any) -> None:
    for each in proto.opset_import:
        if opsets.setdefault(each.domain, each.version) != each.version:
            raise DataError(
                f"The model of {name!r} asks for another release of the operators of {each.domain or 'ai.onnx'} than the others.",
                seen=[opsets[each.domain], each.version],
                hint="export them by one library.",
            )


def _imports(opsets: Mapping[str, int]) -> Sequence[Any]:
    from onnx import helper

    return [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
