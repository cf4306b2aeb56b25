"""Feature values as arrays, one an input: for models that take columns, and for vectors wherever they go.

Texts and categories stay text; one that is missing is its default, else empty. A number is float32, NaN where it is missing; a
whole number is int64 and a truth bool only where the spec gives a default, for neither has a missing value. A vector is a row of
float32 [n], NaN throughout where it is missing and has no default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import DataError
from include.model_contract.batch import Cells, Columns, Floats
from include.model_contract.input import Input


def columns_of_table(table: pa.Table, inputs: Sequence[Input]) -> Columns:
    """Every input from the table's column of its name. Raises DataError for one that is missing or of another type."""
    missing = [each.name for each in inputs if each.name not in table.column_names]
    if missing:
        raise DataError(f"The rows have no column {missing[0]!r}.", seen=table.column_names)
    return Columns({each.name: _of_column(table[each.name], each) for each in inputs}, table.num_rows)


def columns_of_rows(rows: Sequence[Mapping[str, Any]], inputs: Sequence[Input]) -> Columns:
    """The same of rows by name, null where unknown. Raises DataError naming the field."""
    return Columns({each.name: _of_values([row.get(each.name) for row in rows], each) for each in inputs}, len(rows))


# -- vectors --------------------------------------------------------------------------------------------------------------


def vectors_of_column(column: pa.ChunkedArray, each: Input) -> Floats:
    """float32 [rows, n] of a column of lists. Raises DataError for lists of another length, or of what is no number."""
    kind = column.type
    if pa.types.is_null(kind):
        return _missing_vectors(len(column), each)
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise DataError(
            f"Column {each.name!r} holds no vectors.", seen=str(kind), hint=f"make it a list of {each.length} numbers."
        )
    lists = column.combine_chunks()
    lengths = pc.unique(pc.list_value_length(lists)).drop_null().to_pylist()
    if any(length != each.length for length in lengths):
        raise DataError(
            f"Column {each.name!r} holds vectors of another length than {each.length}.", seen=lengths[:5], hint=_LENGTH
        )
    found = _missing_vectors(len(column), each)
    known = lists.is_valid().to_numpy(zero_copy_only=False)
    try:
        numbers = pc.list_flatten(lists.drop_null()).cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise DataError(f"Column {each.name!r} holds vectors of what is no number.", seen=str(kind)) from error
    found[known] = numbers.reshape(-1, each.length)
    return found


def vectors_of_values(values: Sequence[Any], each: Input) -> Floats:
    """float32 [rows, n] of lists, arrays, or float32 bytes. Raises DataError for one of another length."""
    found = np.empty((len(values), each.length), np.float32)
    for place, value in enumerate(values):
        found[place] = vector_of(value, each)
    return found


def vector_of(value: Any, each: Input) -> Floats:
    """float32 [n] of one value. Raises DataError."""
    if value is None:
        return np.array(each.missing_vector, np.float32)
    try:
        found = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        raise DataError(
            f"Not a vector: {each.name}.", seen=repr(value)[:80], hint=f"send a list of {each.length} numbers."
        ) from None
    if found.shape != (each.length,):
        raise DataError(f"{each.name} is a vector of {each.length} numbers.", seen=f"{found.size} numbers", hint=_LENGTH)
    return found


_LENGTH = "send vectors of the length that the spec's dtype says, or change the dtype and train again."


def _missing_vectors(rows: int, each: Input) -> Floats:
    return np.tile(np.array(each.missing_vector, np.float32), (rows, 1))


# -- one array an input ---------------------------------------------------------------------------------------------------


def _of_column(column: pa.ChunkedArray, each: Input) -> Cells:
    if each.length:
        return vectors_of_column(column, each)
    return _texts_of_column(column, each) if each.is_text else _numbers_of_column(column, each)


def _texts_of_column(column: pa.ChunkedArray, each: Input) -> Cells:
    try:
        texts = pc.fill_null(column.cast(pa.string()), each.missing_text)
    except pa.ArrowException as error:
        raise DataError(f"Column {each.name!r} is no text.", seen=str(column.type)) from error
    found = np.empty(len(texts), dtype=object)
    found[:] = texts.to_pylist()
    return found


def _numbers_of_column(column: pa.ChunkedArray, each: Input) -> Cells:
    try:
        if each.array != "float32":
            return _whole_of_column(column, each)
        numbers = column.cast(pa.float64(), safe=False).to_numpy().copy()  # null becomes NaN
    except pa.ArrowException as error:
        raise DataError(f"Column {each.name!r} is not numeric.", seen=str(column.type)) from error
    numbers[np.isnan(numbers)] = each.missing
    narrow: Cells = numbers.astype(np.float32)
    return narrow


def _whole_of_column(column: pa.ChunkedArray, each: Input) -> Cells:
    """Of an input with a default: no value is missing then."""
    if pa.types.is_floating(column.type):  # what pandas makes of whole numbers beside a null
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    kind = pa.bool_() if each.array == "bool" else pa.int64()
    whole = pc.fill_null(column.cast(kind, safe=False), pa.scalar(each.default).cast(kind, safe=False))
    numbers: Cells = np.asarray(whole)
    return numbers


def _of_values(values: Sequence[Any], each: Input) -> Cells:
    if each.length:
        return vectors_of_values(values, each)
    if each.is_text:
        return _texts(values, each)
    make = {"int64": int, "bool": bool}.get(each.array, float)
    missing = each.missing if make is float else make(each.default)
    try:
        return np.array([missing if _unknown(value) else make(value) for value in values], dtype=each.array)
    except (TypeError, ValueError):
        wrong = {each.name: next(value for value in values if not isinstance(value, int | float | None))}
        raise DataError(
            f"Not a number: {each.name}.", seen=wrong, hint="send a JSON number, or null where it is not known."
        ) from None


def _texts(values: Sequence[Any], each: Input) -> Cells:
    found = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        if value is not None and not isinstance(value, str):
            raise DataError(
                f"Not a text: {each.name}.", seen={each.name: value}, hint="send text, or null where it is not known."
            )
        found[place] = each.missing_text if value is None else value
    return found


def _unknown(value: Any) -> bool:
    return value is None or bool(value != value)  # NaN is the one value that is not itself
