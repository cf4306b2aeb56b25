"""Encoded rows as a table of Arrow and back, bit for bit: what a block of a streamed training set holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from include.model_contract.batch import Cells, Columns
from include.training.job import Rows

FEATURES, LABEL, WEIGHT, DAY = "features", "label", "weight", "day"
COLUMN = "column:"  # before the name of an input, where the model takes columns
TEXT = "object"  # NumPy's name of the type of texts


@dataclass(frozen=True)
class Layout:
    """Which arrays rows have. `columns`: NumPy's type and the numbers a row of each input, where the model takes columns."""

    width: int
    weights: bool = False
    days: bool = False
    columns: Mapping[str, tuple[str, int]] | None = None

    @classmethod
    def of(cls, rows: Rows) -> Layout:
        columns = None
        if rows.columns is not None:
            columns = {name: (array.dtype.name, array.shape[1] if array.ndim == 2 else 0) for name, array in rows.columns.items()}
        return cls(rows.features.shape[1], rows.weights is not None, rows.days is not None, columns)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Layout:
        columns = value["columns"]
        known = None if columns is None else {name: (str(kind), int(numbers)) for name, (kind, numbers) in columns.items()}
        return cls(value["width"], value["weights"], value["days"], known)

    def to_json(self) -> dict[str, Any]:
        columns = None if self.columns is None else {name: list(each) for name, each in self.columns.items()}
        return {"width": self.width, "weights": self.weights, "days": self.days, "columns": columns}

    @property
    def names(self) -> list[str]:
        """The columns of a block, in their order."""
        given = [FEATURES if self.width else "", LABEL, WEIGHT if self.weights else "", DAY if self.days else ""]
        return [*filter(None, given), *(f"{COLUMN}{name}" for name in self.columns or ())]

    def table(self, rows: Rows) -> pa.Table:
        """The rows; a matrix as one column of as many bytes a row."""
        arrays: dict[str, pa.Array] = {FEATURES: _packed(rows.features)} if self.width else {}
        arrays[LABEL] = pa.array(rows.labels)
        if rows.weights is not None:
            arrays[WEIGHT] = pa.array(rows.weights)
        if rows.days is not None:
            arrays[DAY] = pa.array(rows.days)
        for name, array in rows.columns.items() if rows.columns is not None else ():
            arrays[f"{COLUMN}{name}"] = _of_cells(array)
        return pa.table(arrays).select(self.names)

    def rows(self, table: pa.Table) -> Rows:
        """What `table` was made of."""
        features = _unpacked(table[FEATURES], self.width) if self.width else np.empty((len(table), 0), np.float32)
        columns = None
        if self.columns is not None:
            found = {name: _cells(table[f"{COLUMN}{name}"], *kind) for name, kind in self.columns.items()}
            columns = Columns(found, len(table))
        weights = table[WEIGHT].to_numpy() if self.weights else None
        days = table[DAY].to_numpy() if self.days else None
        return Rows(features, table[LABEL].to_numpy(), columns, weights, days=days)


def _packed(matrix: Cells) -> pa.Array:
    """float32 [n, k] as n values of 4k bytes."""
    whole = np.ascontiguousarray(matrix, dtype=np.float32)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(4 * whole.shape[1]), len(whole), [None, pa.py_buffer(whole)])


def _unpacked(column: pa.ChunkedArray, width: int) -> Cells:
    flat = column.combine_chunks()
    array = flat.chunk(0) if isinstance(flat, pa.ChunkedArray) else flat
    numbers: Cells = np.frombuffer(array.buffers()[1], dtype=np.float32)
    return numbers[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)


def _of_cells(array: Cells) -> pa.Array:
    if array.ndim == 2:
        return _packed(array)
    return pa.array(array, pa.string()) if array.dtype == object else pa.array(array)


def _cells(column: pa.ChunkedArray, kind: str, numbers: int) -> Cells:
    if numbers:
        return _unpacked(column, numbers)
    if kind != TEXT:
        found: Cells = column.to_numpy()
        return found
    texts = np.empty(len(column), dtype=object)
    texts[:] = column.to_pylist()
    return texts
