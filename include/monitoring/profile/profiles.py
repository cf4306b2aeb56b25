"""Profiles: a summary for each column, of a table, of Parquet files of any length, or of each day and segment.

Files are read a column of a row group at a time by two threads, so memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.monitoring.profile.binning import Axis, Floats, with_derived
from include.monitoring.profile.column_scan import Counter, codes_of, count
from include.monitoring.profile.summary import Summary, merged

THREADS = 2
EVERYONE = ""  # the segment of all rows
SEGMENT_VALUES = 20  # so many of a column's commonest values are segments; the others are in none

Profile = Mapping[str, Summary]
Part = tuple[str, str]
"""A day, `YYYY-MM-DD`, and a segment: EVERYONE or `column=value`."""
Parts = Mapping[Part, Profile]
Groups = npt.NDArray[np.int64]
"""The number of each row's group."""


def profile(table: pa.Table, axes: Sequence[Axis]) -> dict[str, Summary]:
    """A summary for each axis whose column the table has, in one pass over each column."""
    table = with_derived(table, axes)
    return {axis.name: count(table[axis.name], axis) for axis in axes if axis.name in table.column_names}


def profile_files(files: Sequence[str | Path], axes: Sequence[Axis], threads: int = THREADS) -> dict[str, Summary]:
    """The same of Parquet files together. A column that a file lacks counts as missing in all of its rows."""
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    held = set().union(*(pq.read_schema(file).names for file in files)) if files else set()
    known = [axis for axis in axes if axis.column in held]
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda axis: _column(files, axis), known))
    return {axis.name: _padded(summary, axis, rows) for axis, summary in zip(known, found, strict=True)}


def merge_profiles(profiles: Iterable[Profile]) -> dict[str, Summary]:
    """Of all their rows together, for the columns that each of them has."""
    held = list(profiles)
    names = [name for name in held[0] if all(name in each for each in held)] if held else []
    return {name: merged(each[name] for each in held) for name in names}


def profile_parts(
    table: pa.Table, axes: Sequence[Axis], time: str, segments: Sequence[str] = ()
) -> dict[Part, dict[str, Summary]]:
    """A profile for each UTC day of column `time`, and for each day and commonest value of each segment column.

    Those of segments hold counts, bins and moments; cells and hashes would be as long as their few rows.
    """
    if not table.num_rows:
        return {}
    table = with_derived(table, axes)
    days, day = _days(table[time])
    order = np.argsort(day, kind="stable")
    ends = np.searchsorted(day[order], np.arange(len(days) + 1))
    rows = table.take(pa.array(order)).combine_chunks()
    parts = {(name, EVERYONE): profile(rows.slice(ends[n], ends[n + 1] - ends[n]), axes) for n, name in enumerate(days)}
    for column in segments:
        if column in table.column_names:
            parts.update(_segmented(table, axes, (days, day), column))
    return parts


def window(parts: Parts, first: str, last: str, segment: str = EVERYONE) -> dict[str, Summary]:
    """The profile of the days `first` to `last`, both included, of one segment. No row is read."""
    return merge_profiles(rows for (day, held), rows in sorted(parts.items()) if held == segment and first <= day <= last)


def _column(files: Sequence[str | Path], axis: Axis) -> Summary:
    counter, texts = Counter(axis) if axis.numeric else None, [Summary.empty(axis)]
    for file in files:
        for column in _read(file, axis):
            if counter is None:
                texts.append(count(column, axis))
            else:
                for chunk in column.chunks:
                    counter.add(chunk)
    return merged(texts) if counter is None else counter.summary()


def _read(file: str | Path, axis: Axis) -> Iterator[pa.ChunkedArray]:
    """The column, a row group at a time; nothing of a file that lacks it."""
    if axis.column not in pq.read_schema(file).names:
        return
    with pq.ParquetFile(file, read_dictionary=None if axis.numeric else [axis.name]) as parquet:
        for group in range(parquet.num_row_groups):
            yield with_derived(parquet.read_row_group(group, columns=[axis.column], use_threads=False), [axis])[axis.name]


def _padded(summary: Summary, axis: Axis, rows: int) -> Summary:
    absent = rows - summary.count
    if not absent:
        return summary
    nothing = Summary.empty(axis)
    return summary.merge(Summary(absent, absent, 0, nothing.bins, cells=nothing.cells, hashes=nothing.hashes))


def _days(times: pa.ChunkedArray) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The days there are, in order, and each row's place among them."""
    number = times.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // 86_400_000_000
    found, place = np.unique(number, return_inverse=True)
    return [str(np.datetime64(int(each), "D")) for each in found], place.astype(np.int64)


def _segmented(
    table: pa.Table, axes: Sequence[Axis], dated: tuple[list[str], npt.NDArray[np.int64]], column: str
) -> dict[Part, dict[str, Summary]]:
    days, day = dated
    text = table[column].cast(pa.string())
    counts = sorted(pc.value_counts(text.drop_null()).to_pylist(), key=lambda pair: (-pair["counts"], pair["values"]))
    values = [str(pair["values"]) for pair in counts[:SEGMENT_VALUES]]
    places, _, _ = codes_of(text, Axis(column, "category", categories=tuple(values)))
    keep = places >= 0
    group = day[keep] * len(values) + places[keep]
    kept = table.filter(pa.array(keep))
    names = [(name, f"{column}={value}") for name in days for value in values]
    parts: dict[Part, dict[str, Summary]] = {}
    for axis in axes:
        if axis.name in table.column_names:
            for place, summary in _grouped(kept[axis.name], axis, group, len(names)).items():
                parts.setdefault(names[place], {})[axis.name] = summary
    return parts


def _grouped(column: pa.ChunkedArray, axis: Axis, group: Groups, groups: int) -> dict[int, Summary]:
    """A summary without cells and hashes for each group that has rows."""
    rows = np.bincount(group, minlength=groups)
    moments = np.tile(np.array([0.0, 0.0, np.inf, -np.inf])[:, None], groups)  # mean, m2, low, high
    if axis.numeric:
        values = column.cast(pa.float64()).to_numpy()
        here = np.isfinite(values)
        values, of = values[here], group[here]
        bins = np.searchsorted(np.asarray(axis.cuts), axis.place(values), side="left")
        missing, unseen = rows - np.bincount(of, minlength=groups), np.zeros(groups, dtype=np.int64)
        moments = _moments(values, of, moments)
    else:
        codes, _, _ = codes_of(column, axis)
        null = np.asarray(column.is_null().to_numpy(), dtype=bool)
        missing = np.bincount(group[null], minlength=groups)
        unseen = np.bincount(group[(codes < 0) & ~null], minlength=groups)
        of, bins = group[codes >= 0], codes[codes >= 0]
    counts = np.bincount(of * axis.bins + bins, minlength=groups * axis.bins).reshape(groups, axis.bins)
    found: dict[int, Summary] = {}
    for n in np.flatnonzero(rows).tolist():
        mean, m2, low, high = (float(each) for each in moments[:, n])
        found[n] = Summary(int(rows[n]), int(missing[n]), int(unseen[n]), counts[n], mean, m2, low, high)
    return found


def _moments(values: Floats, of: Groups, nothing: Floats) -> Floats:
    """[mean, m2, low, high] of each group's values; as in `nothing` where it has none."""
    groups = nothing.shape[1]
    mean = np.bincount(of, values, groups) / np.maximum(np.bincount(of, minlength=groups), 1)
    m2 = np.bincount(of, np.square(values - mean[of]), groups)
    low, high = nothing[2].copy(), nothing[3].copy()
    np.minimum.at(low, of, values)
    np.maximum.at(high, of, values)
    return np.stack([mean, m2, low, high])
