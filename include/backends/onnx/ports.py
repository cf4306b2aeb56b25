"""What an ONNX file that serves takes and gives: one tensor, or an input a column; one output, or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from include.core.errors import DataError
from include.model_contract.batch import Cells, Columns, Floats
from include.model_contract.encoder import Encoder
from include.model_contract.input import Input

INPUT, OUTPUT = "features", "score"
FLOAT, TEXT = "tensor(float)", "tensor(string)"
TYPES = {
    FLOAT: "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(bool)": "bool",
    TEXT: "object",
}  # fmt: skip
WHOLE = ("int64", "int32", "bool")


@dataclass(frozen=True)
class Column:
    """An input of a model that takes columns: [n], [n, 1], or [n, k] of a vector."""

    name: str
    type: str  # NumPy's
    axes: int
    length: int  # numbers of a vector; 1 of any other column

    def given(self, features: Columns, path: object) -> Cells:
        """The batch's column as the file takes it. Raises DataError where it would be another value."""
        if self.name not in features:
            raise DataError(f"{path} reads a column {self.name!r}.", seen=features.names)
        array = features[self.name]
        if array.dtype != self.type:
            array = self._cast(array, path)
        if array.ndim == 1 and self.axes == 2:
            array = array.reshape(-1, 1)
        elif array.ndim == 2 and self.axes == 1 and array.shape[1] == 1:
            array = array.reshape(-1)
        if array.ndim != self.axes or (self.axes == 2 and array.shape[1] != self.length):
            raise DataError(f"{path} takes {self.name!r} as [n, {self.length}].", seen=array.shape)
        return array

    def _cast(self, array: Cells, path: object) -> Cells:
        text = array.dtype == object
        if text != (self.type == "object"):
            raise DataError(f"{path} takes {self.name!r} as {self.type}.", seen="text" if text else str(array.dtype))
        if self.type in WHOLE and np.issubdtype(array.dtype, np.floating) and not bool(np.isfinite(array).all()):
            raise DataError(
                f"{path} takes {self.name!r} as {self.type}, which has no missing value.",
                seen="NaN",
                hint="give the feature a default, or export the model with a float input for it.",
            )
        return array.astype(self.type)


@dataclass(frozen=True)
class Taken:
    """`width`: numbers of a row of the one tensor; `columns`: of a model that takes those, else None."""

    width: int
    columns: tuple[Column, ...] | None


@dataclass(frozen=True)
class Given:
    """The outputs by name, and how many numbers a row they are together. One output [n] is "one", one [n, k] "wide"."""

    names: tuple[str, ...]
    form: Literal["one", "wide", "many"]
    count: int


def taken_of(path: object, session: Any) -> Taken:
    """Raises DataError for inputs that are neither one tensor nor columns."""
    ports = session.get_inputs()
    seen = _seen(session)
    _check_rows(path, ports, seen)
    if [port.name for port in ports] == [INPUT] and ports[0].type == FLOAT and len(ports[0].shape) == 2:
        if not isinstance(ports[0].shape[1], int):
            raise DataError(f"{path} must map {INPUT} [n, inputs] to {OUTPUT} [n].", seen=seen)
        return Taken(ports[0].shape[1], None)
    if not ports or INPUT in {port.name for port in ports} or not all(_is_column(port) for port in ports):
        raise DataError(
            f"{path} must take one float32 tensor {INPUT!r} [n, inputs], or an input a column by its name, [n] or [n, 1] "
            "(a vector [n, k]).",
            seen=seen,
        )
    columns = tuple(Column(p.name, TYPES[p.type], len(p.shape), p.shape[1] if len(p.shape) == 2 else 1) for p in ports)
    return Taken(len(columns), columns)


def given_of(path: object, session: Any) -> Given:
    """Raises DataError for outputs that are no float32 tensors [n] or [n, k]."""
    ports = session.get_outputs()
    seen = _seen(session)
    names = tuple(port.name for port in ports)
    if {port.type for port in ports} != {FLOAT}:
        raise DataError(f"{path} must give float32 tensors, and nothing else: {OUTPUT!r} [n], or several.", seen=seen)
    shapes = [tuple(port.shape) for port in ports]
    if len(ports) == 1 and len(shapes[0]) == 1:
        return Given(names, "one", 1)
    if len(ports) == 1 and len(shapes[0]) == 2 and isinstance(shapes[0][1], int) and shapes[0][1] > 1:
        return Given(names, "wide", shapes[0][1])
    if len(ports) > 1 and all(len(shape) == 1 for shape in shapes):
        return Given(names, "many", len(ports))
    raise DataError(
        f"{path} must give one output [n], one tensor [n, k] of k numbers a row, or k outputs [n] by name.",
        seen=seen,
        hint="leave the label out, and reshape an output [n, 1] to [n].",
    )


def join_outputs(given: Given, answers: Sequence[Floats]) -> Floats:
    """float32 [n] or [n, k]."""
    return np.stack(answers, axis=1) if given.form == "many" else answers[0]


def check_taken(path: object, taken: Taken, wanted: Encoder | int) -> None:
    """Raises DataError where the file does not take the rows that the encoder gives."""
    if isinstance(wanted, int) or wanted.form == "tensor":
        width = wanted if isinstance(wanted, int) else wanted.width
        if taken.columns is not None:
            raise DataError(
                f"{path} takes columns, and the signature says one tensor of {width} numbers.",
                seen=[column.name for column in taken.columns],
                hint='say training.inputs="columns" in the spec, or export the model with one input `features`.',
            )
        if taken.width != width:
            raise DataError(f"{path} takes {taken.width} features, but the signature has {width}.")
        return
    if taken.columns is None:
        raise DataError(
            f"{path} takes one tensor {INPUT!r}, and the signature says a column an input.",
            seen=[each.name for each in wanted.inputs],
            hint='leave training.inputs at "tensor", or export the model with an input a column.',
        )
    inputs = {each.name: each for each in wanted.inputs}
    for column in taken.columns:
        problem = column_problem(column, inputs)
        if problem:
            raise DataError(f"The input {column.name!r} of {path} does not fit the spec's: {problem}.", seen=str(column))


def column_problem(column: Column, inputs: Mapping[str, Input]) -> str:
    """Why an input of the file cannot be given the column of its name; "" if it can."""
    each = inputs.get(column.name)
    if each is None:
        return f"there is no such input; there are {', '.join(inputs)}"
    if each.is_text != (column.type == "object"):
        return f"it takes {column.type}, and the spec says {each.dtype}"
    if column.length != (each.length or 1):
        return f"it takes {column.length} numbers a row, and the spec says {each.dtype}"
    if column.type in WHOLE and (each.dtype == "float" or each.length):
        return f"it takes {column.type}, and the spec says {each.dtype}: what is behind the point would be cut off"
    if column.type in WHOLE and each.default is None:
        return f"it takes {column.type}, which has no missing value, and the spec gives no default"
    if column.type == "bool" and each.dtype != "bool":
        return f"it takes truths, and the spec says {each.dtype}"
    return ""


def check_given(path: object, given: Given, outputs: Sequence[str]) -> None:
    """Raises DataError where the file does not give the outputs of the problem, in their order."""
    if given.count != len(outputs):
        raise DataError(
            f"{path} gives {given.count} numbers a row; the problem has {len(outputs)}: {', '.join(outputs)}.", seen=given.names
        )
    if given.form != "wide" and given.names != tuple(outputs):
        raise DataError(
            f"{path} must name its outputs as the problem does, in this order: {', '.join(outputs)}.",
            seen=given.names,
            hint="export it with these names, or as one tensor [n, k]." if len(outputs) > 1 else "export it with this name.",
        )


def _is_column(port: Any) -> bool:
    free = len(port.shape) == 1 or (len(port.shape) == 2 and isinstance(port.shape[1], int) and port.shape[1] > 0)
    return port.type in TYPES and free and not (port.type == TEXT and len(port.shape) == 2 and port.shape[1] != 1)


def _check_rows(path: object, ports: Sequence[Any], seen: object) -> None:
    if any(port.shape and isinstance(port.shape[0], int) for port in ports):
        raise DataError(f"{path} takes a fixed number of rows; the first axis must be free.", seen=seen)


def _seen(session: Any) -> dict[str, Any]:
    return {port.name: (port.type, port.shape) for port in (*session.get_inputs(), *session.get_outputs())}
