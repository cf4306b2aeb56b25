"""An ONNX file that was made elsewhere: what it takes and returns, and whether that fits the inputs of a spec.

Two forms are taken. *One tensor* [n, inputs] of numbers, as the spec orders its inputs, categories as codes. Or *columns*: an
input a feature, by name, [n, 1] or [n], categories as text. What it returns is a probability: [n], [n, 1], or [n, 2] of both
classes, the positive one last; a label beside it is left aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from include.core.errors import DataError
from include.model_contract.encoder import Input

NUMBERS = {"FLOAT", "DOUBLE", "INT32", "INT64"}
BATCH = "the first axis, the rows, must be free (a name such as 'n'), and every other one a number"


@dataclass(frozen=True)
class Port:
    """An input or output: `axes` are numbers, or names of axes that are free; None where the file does not say."""

    name: str
    type: str  # FLOAT, STRING, ... of a tensor; else the kind of value, such as sequence_type
    axes: tuple[int | str, ...] | None

    def __str__(self) -> str:
        axes = "of unknown shape" if self.axes is None else list(self.axes)
        return f"{self.name}: {self.type.lower()} {axes}"


@dataclass(frozen=True)
class Taken:
    """How the file takes its inputs. `ports`: the one tensor's, or those of the columns in the spec's order."""

    form: Literal["tensor", "columns"]
    ports: tuple[Port, ...]


def inputs_of(proto: Any) -> list[Port]:
    """What has to be given to the model: its inputs, but for those that have a value in the file."""
    held = {each.name for each in proto.graph.initializer}
    return [_port(each) for each in proto.graph.input if each.name not in held]


def outputs_of(proto: Any) -> list[Port]:
    return [_port(each) for each in proto.graph.output]


def check_inputs(name: str, proto: Any, wanted: Sequence[Input]) -> Taken:
    """How the file takes the inputs of the spec. Raises DataError, with what was expected and what was seen, if it does not."""
    ports = inputs_of(proto)
    _check_axes(name, ports)
    by_name = {port.name: port for port in ports}
    if set(by_name) == {each.name for each in wanted} and not _is_tensor(ports, width_of(wanted)):
        columns = tuple(by_name[each.name] for each in wanted)
        _check_columns(name, columns, wanted)
        return Taken("columns", columns)
    if len(ports) == 1 and len(ports[0].axes or ()) == 2 and ports[0].type in NUMBERS:
        _check_width(name, ports[0], wanted)
        return Taken("tensor", tuple(ports))
    raise _does_not_fit(name, ports, wanted)


def width_of(inputs: Sequence[Input]) -> int:
    """How many numbers they are in one tensor: a vector has as many places as numbers."""
    return sum(len(each.places) for each in inputs)


def _is_tensor(ports: Sequence[Port], width: int) -> bool:
    """Whether it is one tensor of all inputs: a single input may bear the name of the only feature."""
    return len(ports) == 1 and ports[0].type in NUMBERS and (ports[0].axes or ())[1:] == (width,)


def _check_axes(name: str, ports: Sequence[Port]) -> None:
    for port in ports:
        if port.axes is None:
            raise DataError(
                f"{name} does not say the shape of its input {port.name!r}: {BATCH}.", seen=str(port), safe=SAFE, hint=REEXPORT
            )
        free = [axis for axis in port.axes[1:] if isinstance(axis, str)]
        if free:
            raise DataError(
                f"{name} has dynamic axes beyond the rows: {free} of its input {port.name!r}; {BATCH}.",
                seen=str(port), safe=SAFE, hint=REEXPORT,
            )  # fmt: skip
        if port.axes and isinstance(port.axes[0], int):
            raise DataError(
                f"{name} takes a fixed number of rows ({port.axes[0]}) in its input {port.name!r}; {BATCH}.",
                seen=str(port), safe=SAFE, hint=REEXPORT,
            )  # fmt: skip


def _check_width(name: str, port: Port, wanted: Sequence[Input]) -> None:
    width = (port.axes or ())[1]
    if width != width_of(wanted):
        raise _does_not_fit(name, [port], wanted)


def _check_columns(name: str, ports: Sequence[Port], wanted: Sequence[Input]) -> None:
    for port, each in zip(ports, wanted, strict=True):
        problem = _column_problem(port, each)
        if problem:
            raise DataError(
                f"The input {port.name!r} of {name} does not fit the spec's: {problem}.", seen=str(port), safe=SAFE, hint=REEXPORT
            )


def _column_problem(port: Port, each: Input) -> str:
    if each.length and (port.axes or ())[1:] != (each.length,):
        return f"a {each.dtype} is [n, {each.length}]"
    if not each.length and (port.axes or ())[1:] not in ((), (1,)):
        return "a column is [n] or [n, 1]"
    if port.type != "STRING" and port.type not in NUMBERS:
        return "a column holds numbers or text"
    if port.type == "STRING" and each.dtype != "category":
        return f"it takes text, and the spec says {each.dtype}"
    if port.type in ("INT32", "INT64") and (each.dtype == "float" or each.length):
        return "it takes whole numbers, and the spec says float: what is behind the point would be cut off"
    if port.type in ("INT32", "INT64") and each.dtype in ("int", "bool") and each.default is None:
        return "it takes whole numbers, which have no missing value, and the spec gives no default for one"
    return ""


def _does_not_fit(name: str, ports: Sequence[Port], wanted: Sequence[Input]) -> DataError:
    expected = ", ".join(f"{each.name} ({each.dtype})" for each in wanted)
    return DataError(
        f"{name} does not take the inputs of the spec. Expected: one tensor [n, {width_of(wanted)}] of the columns {expected}, "
        "in this order; or an input for each of them by name.",
        seen=[str(port) for port in ports],
        safe=SAFE,
        hint="export it for these inputs, or change features.views and features.request of the spec.",
    )


SAFE = "nothing was registered."
REEXPORT = "export it again: in torch dynamic_axes={'features': {0: 'n'}}, in skl2onnx FloatTensorType([None, inputs])."


def _port(value: Any) -> Port:
    from onnx import TensorProto

    kind = value.type.WhichOneof("value") or "unknown"
    if kind != "tensor_type":
        return Port(value.name, kind, None)
    tensor = value.type.tensor_type
    axes = tuple(_axis(each) for each in tensor.shape.dim) if tensor.HasField("shape") else None
    return Port(value.name, TensorProto.DataType.Name(tensor.elem_type), axes)


def _axis(dimension: Any) -> int | str:
    if dimension.HasField("dim_value"):
        return int(dimension.dim_value)
    return str(dimension.dim_param) or "?"
