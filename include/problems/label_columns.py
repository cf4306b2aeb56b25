"""Columns of labels, weights and costs as numbers, with errors that name the values that are none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import DataError
from include.metrics.arrays import Floats, Groups
from include.problems.truth import DAY

SHOWN = 5  # so many wrong values are shown
KEPT = "the rows are kept as they are."
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)


def numbers(column: pa.ChunkedArray, name: str) -> Floats:
    """float64 [n]. Raises DataError for what is no number, or not finite."""
    if not any(is_kind(column.type) for is_kind in _NUMBERS):
        raise DataError(
            f"{name!r} must be a number.",
            seen=f"{column.type}: {column.slice(0, SHOWN).to_pylist()!r:.200}",
            safe=KEPT,
            hint="cast it in the model's SQL, or state another kind of problem.",
        )
    if column.null_count:
        raise DataError(
            f"{name!r} is null in {column.null_count:,} of {len(column):,} rows, and is needed in each.",
            safe=KEPT,
            hint="give it a value in the model's SQL, or leave such rows out there.",
        )
    values: Floats = column.cast(pa.float64()).to_numpy().astype(np.float64)
    wrong = values[~np.isfinite(values)]
    if len(wrong):
        raise DataError(
            f"{name!r} must be finite, and is not in {len(wrong):,} of {len(values):,} rows.",
            seen=[str(value) for value in wrong[:SHOWN]],
            safe=KEPT,
            hint="leave such rows out in the model's SQL, or quarantine them by an expectation.",
        )
    return values


def positive_numbers(table: pa.Table, name: str) -> Floats:
    """float64 [n] above 0, of a column. Raises DataError."""
    values = numbers(present(table, name), name)
    refuse(values, values <= 0, f"{name!r} must be positive")
    return values


def bounds_words(low: float, high: float) -> str:
    """What must be kept to, as `from 0 to 5` or `of at least 0`; empty without bounds."""
    if np.isinf(low) and np.isinf(high):
        return ""
    if np.isinf(high):
        return f"of at least {low:g}"
    return f"of at most {high:g}" if np.isinf(low) else f"from {low:g} to {high:g}"


def refuse(values: Floats, wrong: np.ndarray, what: str, hint: str = "") -> None:
    """Raises DataError with some of the values [n] that are `wrong` [n]."""
    if wrong.any():
        raise DataError(
            f"{what}, and is not in {int(wrong.sum()):,} of {len(values):,} rows.",
            seen=[float(value) for value in np.unique(values[wrong])[:SHOWN]],
            safe=KEPT,
            hint=hint or "leave such rows out in the model's SQL, or quarantine them by an expectation.",
        )


def cost_columns(table: pa.Table, names: Sequence[str]) -> dict[str, Floats]:
    """Costs by name, each [n] and at least 0. Raises DataError."""
    found = {name: numbers(present(table, name), name) for name in names}
    for name, values in found.items():
        refuse(values, values < 0, f"{name!r} is a cost, and must be 0 or more")
    return found


def days(table: pa.Table, name: str) -> Groups:
    """Whole days since 1970 in UTC [n]."""
    found: Groups = table[name].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // DAY
    return found


def numbered(column: pa.ChunkedArray) -> Groups:
    """A number for each distinct value [n], the same for equal ones."""
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    found: Groups = pc.dictionary_encode(combined, null_encoding="encode").indices.to_numpy(zero_copy_only=False)
    return found.astype(np.int64)


def lists_of(table: pa.Table, name: str) -> Groups:
    """Which rows [n] are one list. Raises DataError where a row does not say: such rows together would be one list."""
    column = present(table, name)
    if column.null_count:
        raise DataError(
            f"The query {name!r} says which rows are one list, and is null in {column.null_count:,} of {len(column):,} rows.",
            safe=KEPT,
            hint="select it for every row in features.entities.",
        )
    return numbered(column)


def present(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column. Raises DataError where there is none."""
    if name not in table.column_names:
        raise DataError(
            f"The rows have no column {name!r}, which the problem reads.",
            seen=table.column_names,
            safe=KEPT,
            hint="select it in features.entities, or leave it out of the spec's problem.",
        )
    return table[name]
