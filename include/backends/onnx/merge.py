"""Several models of one output each as one file of several outputs: a value, and the bounds of its interval, say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.core.errors import DataError


def merged(parts: Mapping[str, bytes], interval: bool = False) -> bytes:
    """ONNX files of one output [n], by the name that it gets. They take the same inputs, by name.

    :param interval: whether the outputs are a value and its bounds: a bound that is on the wrong side of the value is then the
        value, for models that were fitted apart cross now and then
    Raises DataError for files of other operators' releases, or of more than one output.
    """
    import onnx
    from onnx import compose, helper

    nodes: list[Any] = []
    constants: list[Any] = []
    inputs: dict[str, Any] = {}
    outputs: list[Any] = []
    opsets: dict[str, int] = {}
    for name, data in parts.items():
        proto = compose.add_prefix(onnx.load_model_from_string(data), f"{name}/", rename_inputs=False)
        if len(proto.graph.output) != 1:
            raise DataError(f"The model of {name!r} must have one output.", seen=[each.name for each in proto.graph.output])
        _agree(name, opsets, proto)
        nodes += [*proto.graph.node, helper.make_node("Identity", [proto.graph.output[0].name], [name])]
        constants += proto.graph.initializer
        inputs |= {each.name: each for each in proto.graph.input}
        outputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]))
    if interval:
        nodes += _in_order(nodes, *parts)
    graph = helper.make_graph(nodes, "several", list(inputs.values()), outputs, constants)
    written = helper.make_model(graph, opset_imports=_imports(opsets), ir_version=8).SerializeToString(deterministic=True)
    assert isinstance(written, bytes)
    return written


def _in_order(nodes: Sequence[Any], value: str, low: str, high: str) -> list[Any]:
    """The nodes that end in the bounds, which are renamed in `nodes`: low = min(low, value), high = max(high, value)."""
    from onnx import helper

    made = []
    for bound, order in ((low, "Min"), (high, "Max")):
        (last,) = [node for node in nodes if list(node.output) == [bound]]
        last.output[0] = f"{bound}/alone"
        made.append(helper.make_node(order, [value, f"{bound}/alone"], [bound]))
    return made


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
