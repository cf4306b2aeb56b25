"""Labelled rows in time order, cut into windows: what a policy is replayed on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.core.errors import DataError
from include.data.session import open_session

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """`inputs` [n, k], NaN where unknown; `label` [n] of 0 and 1; `window` [n], from 0, rising; `kin`: the stream it is
    correlated with, if it is no evidence of its own."""

    name: str
    inputs: Floats
    label: Floats
    window: Ints
    kin: str = ""

    @property
    def windows(self) -> int:
        return int(self.window[-1]) + 1

    def rows(self, first: int, last: int) -> slice:
        """Of the windows `first` to `last`, without the last."""
        begin, end = np.searchsorted(self.window, (first, last))
        return slice(int(begin), int(end))


def from_csv(path: Path, label: str, rows: int) -> Stream:
    """A CSV's rows in its own order, `rows` a window; what is left over is left out. Every column but `label` is an input.

    Text becomes codes by first appearance. Raises DataError where there is nothing to learn from.
    """
    if not path.is_file():
        raise DataError("There is no such CSV file.", seen=str(path), hint="give a path to a file.")
    with open_session() as connection:
        table = connection.from_csv_auto(str(path)).to_arrow_table()
    if label not in table.column_names:
        raise DataError(f"{path.name} has no column {label!r}.", seen=table.column_names, hint="--label names the label's.")
    known = numbers(table[label])
    if set(np.unique(known)) != {0.0, 1.0}:
        raise DataError(f"The label {label!r} must be 0 and 1, and both.", seen=np.unique(known)[:5].tolist())
    whole = len(known) // rows * rows
    inputs = np.column_stack([numbers(table[name]) for name in table.column_names if name != label])
    return Stream(path.stem, inputs[:whole], known[:whole], np.arange(whole) // rows)


def numbers(column: pa.ChunkedArray) -> Floats:
    """float64 [n]: NaN for null; text as codes."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type)):
        column = column.cast(pa.string()).combine_chunks().dictionary_encode().indices
    values: Floats = np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    return values
