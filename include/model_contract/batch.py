"""Encoded rows, as a model takes them: one matrix of numbers, or an array a column.

Both are rows along their first axis: `len(rows)`, `rows[:100]` and `rows[places]` mean the same for either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from include.core.errors import DataError

Floats = NDArray[np.float32]
Cells = NDArray[Any]


class Columns:
    """Named arrays of one length: float32, int64, bool or text (object) [n], vectors float32 [n, k].

    `columns["title"]` is an array; `columns[:10]` and `columns[places]` are rows of all of them.
    """

    __slots__ = ("_arrays", "_rows")

    def __init__(self, arrays: Mapping[str, Cells], rows: int | None = None) -> None:
        """`rows`: how many there are, where no array says it. Raises DataError for arrays of different lengths."""
        lengths = {len(array) for array in arrays.values()} | (set() if rows is None else {rows})
        if len(lengths) > 1:
            raise DataError("Columns of one batch must have one length.", seen={name: len(a) for name, a in arrays.items()})
        self._arrays = dict(arrays)
        self._rows = lengths.pop() if lengths else 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._arrays)

    @overload
    def __getitem__(self, which: str) -> Cells: ...
    @overload
    def __getitem__(self, which: slice | Cells | Sequence[int]) -> Columns: ...
    def __getitem__(self, which: str | slice | Cells | Sequence[int]) -> Cells | Columns:
        if isinstance(which, str):
            return self._arrays[which]
        if not self._arrays:
            return Columns({}, len(np.empty(self._rows)[which]))
        return Columns({name: array[which] for name, array in self._arrays.items()})

    def __len__(self) -> int:
        return self._rows

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def items(self) -> Iterator[tuple[str, Cells]]:
        return iter(self._arrays.items())


Encoded = Floats | Columns


def join(parts: Sequence[Encoded]) -> Encoded:
    """The rows of several batches of one form, one after the other."""
    matrices = [part for part in parts if not isinstance(part, Columns)]
    if len(matrices) == len(parts):
        return np.concatenate(matrices)
    tables = [part for part in parts if isinstance(part, Columns)]
    if len(tables) < len(parts):
        raise DataError("A batch is of one matrix, or of columns, not of both.", seen=[type(part).__name__ for part in parts])
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0].names}
    return Columns(joined, sum(len(table) for table in tables))
