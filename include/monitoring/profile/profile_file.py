"""Profiles on disk: a Parquet file, a row for each day, segment and column; the axes are in its schema's metadata.

Cells are kept sparse. Equal profiles give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.monitoring.profile.binning import Axis
from include.monitoring.profile.profiles import EVERYONE, Part, Parts
from include.monitoring.profile.summary import Summary

SCHEMA = pa.schema(
    [
        ("day", pa.string()), ("segment", pa.string()), ("column", pa.string()),
        ("count", pa.int64()), ("missing", pa.int64()), ("unseen", pa.int64()),
        ("mean", pa.float64()), ("m2", pa.float64()), ("low", pa.float64()), ("high", pa.float64()),
        ("bins", pa.list_(pa.int64())), ("cell", pa.list_(pa.uint16())), ("cell_count", pa.list_(pa.int64())),
        ("hashes", pa.list_(pa.uint32())),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """What a profile file holds. `facts`: whatever its writer wanted kept beside it."""

    axes: tuple[Axis, ...]
    parts: Parts
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_profiles(path: Path, axes: Sequence[Axis], parts: Parts, facts: Mapping[str, Any] | None = None) -> Path:
    rows = [
        {"day": day, "segment": segment, "column": name, **_row(summary)}
        for (day, segment), columns in sorted(parts.items())
        for name, summary in sorted(columns.items())
    ]
    metadata = {"axes": json.dumps([asdict(axis) for axis in axes]), "facts": json.dumps(dict(facts or {}), sort_keys=True)}
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA.with_metadata(metadata)), path, compression="zstd")
    return path


def read_profiles(path: str | Path, segment: str | None = EVERYONE, first: str = "", last: str = "9999") -> Stored:
    """The parts of one segment (None: of all) and of the days between, both included. No row of data is read."""
    with pq.ParquetFile(path) as file:  # read_table would load the dataset machinery first
        table = file.read()
    metadata = table.schema.metadata
    axes = [_axis(each) for each in json.loads(metadata[b"axes"])]
    keep = pc.and_(pc.greater_equal(table["day"], first), pc.less_equal(table["day"], last))
    if segment is not None:
        keep = pc.and_(keep, pc.equal(table["segment"], segment))
    cells = {axis.name: axis.cells + 2 for axis in axes if axis.numeric}
    kept = table.filter(keep).combine_chunks()
    lists = {name: _lists(kept[name]) for name in ("bins", "cell", "cell_count", "hashes")}
    parts: dict[Part, dict[str, Summary]] = {}
    for place, row in enumerate(kept.drop_columns(list(lists)).to_pylist()):
        arrays = {name: values[place] for name, values in lists.items()}
        parts.setdefault((row["day"], row["segment"]), {})[row["column"]] = _summary(row, arrays, cells.get(row["column"], 0))
    return Stored(tuple(axes), parts, json.loads(metadata[b"facts"]))


def _axis(value: Mapping[str, Any]) -> Axis:
    """A list is a tuple again. What an earlier release did not write has its default."""
    fields: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in value.items()}
    return Axis(**fields)


def _lists(column: pa.ChunkedArray) -> list[npt.NDArray[Any] | None]:
    """The lists of a column as arrays, without a Python object for each of their numbers."""
    return [None if each is None else each.to_numpy(zero_copy_only=False) for chunk in column.chunks for each in _values(chunk)]


def _values(chunk: pa.ListArray) -> Iterator[pa.Array | None]:
    starts, known = chunk.offsets.to_pylist(), chunk.is_valid().to_pylist()
    for n, valid in enumerate(known):
        yield chunk.values.slice(starts[n], starts[n + 1] - starts[n]) if valid else None


def _row(summary: Summary) -> dict[str, Any]:
    cells = summary.cells
    where = None if cells is None else np.flatnonzero(cells).astype(np.uint16)
    return {
        "count": summary.count, "missing": summary.missing, "unseen": summary.unseen,
        "mean": summary.mean, "m2": summary.m2, "low": summary.low, "high": summary.high,
        "bins": summary.bins, "cell": where, "cell_count": None if cells is None else cells[where],
        "hashes": summary.hashes,
    }  # fmt: skip


def _summary(row: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any] | None], length: int) -> Summary:
    cells, where, counts = None, arrays["cell"], arrays["cell_count"]
    if where is not None and counts is not None:
        cells = np.zeros(length, dtype=np.int64)
        cells[where] = counts
    assert arrays["bins"] is not None
    return Summary(
        row["count"], row["missing"], row["unseen"], arrays["bins"],
        row["mean"], row["m2"], row["low"], row["high"], cells, arrays["hashes"],
    )  # fmt: skip
