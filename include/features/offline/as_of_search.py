"""The point-in-time join of entity rows that are in memory: sort a view's rows once, then search for each entity row.

Beside the ASOF join in SQL this sorts two numbers a row instead of all columns, and gathers the features of the rows
found, not of all: where the views' rows fit in memory it is the faster, above all with late rows (`make bench
AREA=features`). Where it has no answer (too many rows, rows equal in keys and times, other keys) the join in SQL has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import prod

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.core.time import MICROSECOND
from include.point_in_time.join import CREATED, EVENT, Side, interval

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Range = tuple[datetime, datetime]


@dataclass(frozen=True)
class Index:
    """A side's rows, and of those that can ever be the answer a number each: by key, then by when it was known."""

    side: Side
    features: pa.Table  # of every row, under their names in the result
    events: Ints  # of every row; microseconds since 1970 UTC, as all times here
    keys: Sequence[pa.Array]  # the different values that each key has among the entity rows
    places: Ints  # the rows that can be the answer, in the order of `heights`
    codes: Ints  # of their keys
    heights: Ints  # code * span + (known - low), rising
    low: int
    span: int

    def find(self, asked: pa.Table, times: Ints) -> pa.Table:
        """The features for each entity row (its keys, its time), in the rows' order; null where nothing is known."""
        codes = _codes([asked[name] for name in self.side.keys], self.keys, len(asked))
        found, known = self._search(codes, times)
        if self.side.ttl is not None and len(self.events):
            known &= self.events[found] >= times - self.side.ttl // MICROSECOND
        return self.features.take(pa.array(found, mask=~known))

    def _search(self, codes: Ints, times: Ints) -> tuple[Ints, Bools]:
        """For each entity row a place, and whether it is that of the row of its key that stands at its time."""
        if not len(self.heights):
            return np.zeros(len(times), np.int64), np.zeros(len(times), bool)
        wanted = codes * self.span + (times - self.low)
        order = np.argsort(wanted)  # a search in order stays within the processor's cache
        before = np.empty(len(times), np.int64)
        before[order] = np.searchsorted(self.heights, wanted[order], side="right") - 1
        there = np.maximum(before, 0)
        return self.places[there], (before >= 0) & (codes >= 0) & (self.codes[there] == codes)


def count(connection: duckdb.DuckDBPyConnection, side: Side) -> int:
    """How many rows the side has, of whatever time."""
    return int(connection.execute(f"SELECT count(*) FROM {side.rows}").fetchall()[0][0])


@dataclass(frozen=True)
class Fetched:
    """What an index is made of."""

    side: Side
    rows: pa.Table
    keys: Sequence[pa.Array]  # as in Index
    between: Range


def fetch(
    connection: duckdb.DuckDBPyConnection, side: Side, asked: Mapping[str, pa.ChunkedArray], between: Range
) -> Fetched | None:
    """The side's rows, for entity rows whose keys have the values `asked`, and whose first and last time are `between`.

    None if a key is neither text nor whole numbers.
    """
    if any(output.missing != "NULL" or output.type for output in side.features):
        return None
    rows = connection.sql(_rows(side, between)).to_arrow_table()
    kinds = [(_kind(rows[f"_key_{name}"]), _kind(asked[name])) for name in side.keys]
    if any(theirs is None or theirs != ours for theirs, ours in kinds):
        return None
    return Fetched(side, rows, [_comparable(asked[name]).unique().drop_null() for name in side.keys], between)


def index(fetched: Fetched) -> Index | None:
    """None if the side has rows of equal keys and times."""
    side, rows, keys = fetched.side, fetched.rows, fetched.keys
    codes = _codes([rows[f"_key_{name}"] for name in side.keys], keys, len(rows))
    events, created = rows["_event_us"].to_numpy(), rows["_created_us"].to_numpy()
    known = np.maximum(events, created)
    different = prod([max(1, len(values)) for values in keys])
    places = _places(np.flatnonzero(codes >= 0), events, created, known, codes, different)  # of keys that are asked for
    if places is None:
        return None
    first, last = (int(np.datetime64(moment, "us").astype(np.int64)) for moment in fetched.between)
    low = int(known[places].min(initial=first))
    span = int(known[places].max(initial=last)) - low + 1
    heights = codes[places] * span + (known[places] - low)
    if span * different >= 2**63 or (heights[1:] == heights[:-1]).any():
        return None
    features = rows.select([output.column for output in side.features]).rename_columns([out.name for out in side.features])
    return Index(side, features, events, keys, places, codes[places], heights, low, span)


def _rows(side: Side, between: tuple[datetime, datetime]) -> str:
    """SQL of the rows that any of the entity rows may see, times in microseconds."""
    features = (f'"{name}"' for name in dict.fromkeys(output.column for output in side.features))
    created = f"coalesce({CREATED}, {EVENT})" if side.created else EVENT
    limits = [f"isfinite({EVENT})", f"isfinite({created})", f"{EVENT} <= TIMESTAMP '{between[1]}'"]
    limits += [f'"{key}" IS NOT NULL' for key in side.keys]
    if side.ttl is not None:
        limits.append(f"{EVENT} >= TIMESTAMP '{between[0]}' - {interval(side.ttl)}")
    times = [f"epoch_us({EVENT}) AS _event_us", f"epoch_us({created}) AS _created_us"]
    selected = [*(f'"{key}" AS "_key_{key}"' for key in side.keys), *times]
    return f"SELECT {', '.join((*selected, *features))} FROM {side.rows} WHERE {' AND '.join(limits)}"


def _codes(columns: Sequence[pa.ChunkedArray], keys: Sequence[pa.Array], rows: int) -> Ints:
    """A number for each different key tuple of the entity rows; -1 is nobody's."""
    codes: Ints = np.zeros(rows, np.int64)
    for column, values in zip(columns, keys, strict=True):
        one = pc.fill_null(pc.index_in(_comparable(column), value_set=values), -1).to_numpy().astype(np.int64)
        nobody = (codes < 0) | (one < 0)
        codes = codes * len(values) + one
        codes[nobody] = -1
    return codes


def _kind(column: pa.ChunkedArray) -> pa.DataType | None:
    """As what a key's values are compared; None for a type that is not."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.string()
    return pa.int64() if pa.types.is_integer(kind) and kind != pa.uint64() else None


def _comparable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(_kind(column))


def _places(some: Ints, events: Ints, created: Ints, known: Ints, codes: Ints, different: int) -> Ints | None:
    """Of some rows those that can ever be the answer, by key, then by when they were known."""
    some = _ordered(some, known, codes, different)
    return _stairs(some, events, created, known, codes) if (known[some] > events[some]).any() else some


def _ordered(some: Ints, by: Ints, there: Ints, different: int) -> Ints:
    """Places by key, then by time. Files are written in order of time, and few keys are sorted by counting."""
    some = some[np.argsort(by[some], kind="stable")]
    code = there[some]
    return some[np.argsort(code.astype(np.uint16) if different <= 2**16 else code, kind="stable")]


def _stairs(some: Ints, events: Ints, created: Ints, known: Ints, there: Ints) -> Ints | None:
    """Of places by key the rows that can ever be the answer (include/point_in_time/join.py); of one moment the last of them."""
    ranked = some[np.lexsort((created[some], events[some], there[some]))]
    same = (np.diff(there[ranked]) == 0) & (np.diff(events[ranked]) == 0) & (np.diff(created[ranked]) == 0)
    if same.any():
        return None
    ranks = np.empty(len(events), np.int64)
    ranks[ranked] = np.arange(len(ranked))  # rises with the key, then with (event, created)
    some = some[np.lexsort((ranks[some], known[some], there[some]))]
    highest = np.maximum.accumulate(ranks[some])
    some = some[np.concatenate(([True], ranks[some][1:] > highest[:-1]))]
    last = (np.diff(there[some]) != 0) | (np.diff(known[some]) != 0)
    stairs: Ints = some[np.concatenate((last, [True]))]
    return stairs
