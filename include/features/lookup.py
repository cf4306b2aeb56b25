"""The point-in-time join of entity rows that are in memory: sort a view's rows once, then search for each entity row.

Beside the ASOF join in SQL this sorts two numbers a row instead of all columns, and gathers the features of the rows
found, not of all: for as many entity rows as one batch has it is the faster (`make bench AREA=features`). It answers for
plain sides only (nothing late, keys and times unique); where it has no answer the join in SQL has.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.features.join import CREATED, EVENT, MICROSECOND, Side, interval

VIEW_ROWS = 2_000_000  # of a view, held at once: some hundred MB
Ints = npt.NDArray[np.int64]
Whole = npt.NDArray[np.integer[Any]]
Codes = tuple[Ints, Ints, int]  # of the entity rows, of the view's, and how many different ones there are; -1 is nobody


def lookup(
    connection: duckdb.DuckDBPyConnection, side: Side, keys: pa.Table, times: Ints, between: tuple[datetime, datetime]
) -> pa.Table | None:
    """The side's features for each entity row, in the rows' order; null where nothing is known.

    `keys`: the entity rows' columns; `times`: theirs, microseconds since 1970 UTC; `between`: the first and the last.
    None if the side is too large, has rows of equal keys and times, or keys that are neither text nor whole numbers.
    """
    if any(output.missing != "NULL" or output.type for output in side.features):
        return None
    if connection.execute(f"SELECT count(*) FROM {side.rows}").fetchall()[0][0] > VIEW_ROWS:
        return None
    rows = connection.sql(_rows(side, between)).to_arrow_table()
    codes = _codes(side.keys, keys, rows)
    if codes is None:
        return None
    found = _search(rows["event_us"].to_numpy(), rows["created_us"].to_numpy(), times, codes)
    if found is None:
        return None
    known = found >= 0
    if side.ttl is not None:
        known &= rows["event_us"].to_numpy()[found] >= times - side.ttl // MICROSECOND if len(rows) else False
    taken = rows.select([output.column for output in side.features]).take(pa.array(found, mask=~known))
    return taken.rename_columns([output.name for output in side.features])


def _rows(side: Side, between: tuple[datetime, datetime]) -> str:
    """SQL of the rows that any of the entity rows may see, times in microseconds."""
    features = (f'"{name}"' for name in dict.fromkeys(output.column for output in side.features))
    created = f"coalesce({CREATED}, {EVENT})" if side.created else EVENT
    limits = [f"isfinite({EVENT})", f"isfinite({created})", f"{EVENT} <= TIMESTAMP '{between[1]}'"]
    limits += [f'"{key}" IS NOT NULL' for key in side.keys]
    if side.ttl is not None:
        limits.append(f"{EVENT} >= TIMESTAMP '{between[0]}' - {interval(side.ttl)}")
    times = [f"epoch_us({EVENT}) AS event_us", f"epoch_us({created}) AS created_us"]
    selected = [*(f'"{key}" AS "key_{key}"' for key in side.keys), *times]
    return f"SELECT {', '.join((*selected, *features))} FROM {side.rows} WHERE {' AND '.join(limits)}"


def _codes(names: Sequence[str], keys: pa.Table, rows: pa.Table) -> Codes | None:
    """A number for each distinct key tuple of the entity rows."""
    asked: Whole = np.zeros(len(keys), np.int64)
    there: Whole = np.zeros(len(rows), np.int64)
    count = 0
    for name in names:
        mine, theirs = _comparable(keys[name]), _comparable(rows[f"key_{name}"])
        if mine is None or theirs is None or mine.type != theirs.type:
            return None
        known = mine.combine_chunks().dictionary_encode()
        one = pc.fill_null(known.indices, -1).to_numpy(zero_copy_only=False)
        other = pc.fill_null(pc.index_in(theirs, value_set=known.dictionary), -1).to_numpy()
        width = len(known.dictionary)
        asked, there = (_paired(asked, one, width), _paired(there, other, width)) if count else (one, other)
        count = max(1, count) * max(1, width)
    return asked.astype(np.int64), there.astype(np.int64), max(1, count)


def _comparable(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    return column.cast(pa.int64()) if pa.types.is_integer(kind) and kind != pa.uint64() else None


def _paired(first: Whole, second: Whole, width: int) -> Ints:
    both: Ints = first.astype(np.int64) * width + second
    both[(first < 0) | (second < 0)] = -1
    return both


def _search(events: Ints, created: Ints, times: Ints, codes: Codes) -> Ints | None:
    """For each entity row the place of its key's row that stands at its time, -1 where there is none.

    None if two rows of a key are equal in both times, or the numbers do not fit 64 bits.
    """
    asked, there, count = codes
    some = np.flatnonzero(there >= 0)  # of keys that are asked for
    nothing = np.full(len(times), -1, np.int64)
    if not len(some) or not len(times):
        return nothing
    known = np.maximum(events, created)
    low = min(int(events[some].min()), int(times.min()))
    span = max(int(known[some].max()), int(times.max())) - low + 1
    if span * count >= 2**63:
        return None
    some = _ordered(some, known, there, count)
    if (known[some] > events[some]).any():
        stairs = _stairs(some, events, created, known, there)
        if stairs is None:
            return None
        some = stairs
    heights = there[some] * span + (known[some] - low)
    if (heights[1:] == heights[:-1]).any():
        return None
    wanted = asked * span + (times - low)
    order = np.argsort(wanted)
    before = np.empty(len(times), np.int64)
    before[order] = np.searchsorted(heights, wanted[order], side="right") - 1
    found = some[np.maximum(before, 0)]
    return np.where((before >= 0) & (asked >= 0) & (there[found] == asked), found, nothing)


def _ordered(some: Ints, by: Ints, there: Ints, count: int) -> Ints:
    """Places by key, then by time. Files are written in order of time, and few keys are sorted by counting."""
    some = some[np.argsort(by[some], kind="stable")]
    code = there[some]
    return some[np.argsort(code.astype(np.uint16) if count <= 2**16 else code, kind="stable")]


def _stairs(some: Ints, events: Ints, created: Ints, known: Ints, there: Ints) -> Ints | None:
    """Of places by key the rows that can ever be the answer (include/features/join.py); of one moment the last of them."""
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
