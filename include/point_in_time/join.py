"""The point-in-time join: for each entity row, each view's newest row that was known by its event time.

A row has an event time e and, if its view tells, the time c at which it was created (arrived). It is known from
k = max(e, c) on. At time t the join takes, of the rows with k <= t, the one with the greatest (e, c): an older
event that arrives later never hides a newer one, and a correction of the same event does.

That is no plain ASOF join, but it becomes one on fewer rows. Sort a key's rows by k and keep each row whose (e, c)
exceeds all before it. At any t, the greatest (e, c) of a prefix of that order was a new maximum when it came, so it
is kept; and every kept row up to t is at most that one, so it is the last kept. Hence ASOF on k over the kept rows
(the staircase) is exact. Where nothing arrives late and no key has two rows of one event time, every row is kept
and k = e: the staircase need not be built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from include.core.spec import Feature, View
from include.core.time import MICROSECOND
from include.data.sql import parquet, quoted
from include.data.sql_types import default_literal, key_text, sql_type

EVENT, CREATED, KNOWN = "event_timestamp", "created_timestamp", "known_timestamp"


@dataclass(frozen=True)
class Output:
    """One feature of the result."""

    name: str
    column: str  # of the side's rows
    missing: str = "NULL"  # SQL of what stands for a value that is not known
    type: str = ""  # SQL type of the result; "" as it comes


@dataclass(frozen=True)
class Side:
    """One view's rows, as the join reads them. Times are UTC TIMESTAMP."""

    name: str
    rows: str  # SQL of a relation: the keys (named as the entities'), event_timestamp, created_timestamp if any, features
    keys: tuple[str, ...]
    features: tuple[Output, ...]
    ttl: timedelta | None = None  # a value older than this counts as not known
    created: bool = False  # whether there is a created_timestamp
    texts: bool = False  # keys are text (include/core/keys.py), so those of the entity rows are compared as text
    plain: bool = False  # nothing is late and (keys, event_timestamp) is unique: the staircase need not be built


def point_in_time(
    views: Iterable[View], files: Mapping[str, Sequence[str]], entities: str, before: Sequence[str], after: Sequence[str] = ()
) -> str:
    """SQL: columns `before`, every view's features, columns `after`; one row for each row of `entities`.

    `files`: view name to Parquet paths, written by the `features` step. `entities`: SQL with event_timestamp (UTC)
    and the views' keys; the columns kept are expressions over it under the name `entity`. A value older than the
    view's ttl counts as missing; what is missing becomes the feature's default, else NaN (float) or NULL.
    """
    return join([side(view, files.get(view.name, ())) for view in views], entities, before, after)


def join(sides: Sequence[Side], entities: str, before: Sequence[str], after: Sequence[str] = ()) -> str:
    """The same for any sides."""
    features = [_output(each, output) for each in sides for output in each.features]
    joins = "".join(_asof(each) for each in sides)
    return f"SELECT {', '.join((*before, *features, *after))}\nFROM {entities} AS entity{joins}"


def side(view: View, paths: Sequence[str]) -> Side:
    """A view's published partitions. Publication has checked that keys and times are unique."""
    created = f', "{view.created}" AS {CREATED}' if view.created else ""
    keys = "".join(f'{key_text(key)} AS "{key}", ' for key in view.keys)  # partitions of earlier releases: as they came
    columns = keys + quoted(EVENT, *(feature.name for feature in view.features))
    rows = f"SELECT {columns}{created} FROM {parquet(paths)}" if paths else empty(view)
    outputs = tuple(Output(f.name, f.name, _default(f), sql_type(f.dtype)) for f in view.features)
    return Side(view.name, f"({rows})", view.keys, outputs, view.ttl, bool(view.created), plain=not view.created, texts=True)


def empty(view: View) -> str:
    """SQL of the view's columns without rows: nothing of it has been published."""
    keys = [f'NULL::VARCHAR AS "{key}"' for key in view.keys]
    times = [f"NULL::TIMESTAMP AS {name}" for name in (EVENT, *([CREATED] if view.created else []))]
    features = [f'NULL::{sql_type(feature.dtype)} AS "{feature.name}"' for feature in view.features]
    return f"SELECT {', '.join((*keys, *times, *features))} WHERE false"


def value(column: str, feature: Feature, known: str = "true") -> str:
    """SQL of one feature under its name: the column where it is known, else what stands for a missing value."""
    return _value(column, known, Output(feature.name, feature.name, _default(feature), sql_type(feature.dtype)))


def known(side: Side) -> str:
    """SQL of the moment from which a row may be seen."""
    return f"greatest({EVENT}, coalesce({CREATED}, {EVENT}))" if side.created else EVENT


def order(side: Side) -> str:
    """SQL order of a key's rows, the one that stands first: newest event, then newest created.

    Rows equal in both are ordered by their values, so that the same data give the same answer in any file order.
    """
    times = [EVENT, *([f"coalesce({CREATED}, {EVENT})"] if side.created else [])]
    return ", ".join(f"{each} DESC NULLS LAST" for each in (*times, *(f'"{f.column}"' for f in side.features)))


def staircase(side: Side) -> str:
    """SQL of the rows that can ever be the answer, with the moment from which each is: see the module's text."""
    partition = f"PARTITION BY {quoted(*side.keys)} " if side.keys else ""
    created = f"coalesce({CREATED}, {EVENT})" if side.created else EVENT
    # One number orders by (event, created): whole microseconds, 64 bits each.
    height = f"epoch_us({EVENT})::HUGEINT * 18446744073709551616 + epoch_us({created})"
    return f"""(SELECT * EXCLUDE (_height, _highest) FROM (
            SELECT *, max(_height) OVER (
                {partition}ORDER BY {KNOWN}, {order(side)} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS _highest FROM (
                SELECT *, {known(side)} AS {KNOWN}, {height} AS _height FROM {side.rows}
                WHERE isfinite({EVENT}) AND isfinite({created})
            )
        ) WHERE _highest IS NULL OR _height > _highest)"""


def _asof(side: Side) -> str:
    rows, time = (side.rows, EVENT) if side.plain else (staircase(side), KNOWN)
    asked = [key_text(key, "entity") if side.texts else f'entity."{key}"' for key in side.keys]
    equal = [f'{ours} = "{side.name}"."{key}"' for ours, key in zip(asked, side.keys, strict=True)]
    on = " AND ".join((*equal, f'entity.{EVENT} >= "{side.name}".{time}'))
    return f'\nASOF LEFT JOIN {rows} AS "{side.name}" ON {on}'


def _output(side: Side, output: Output) -> str:
    fresh = "true"
    if side.ttl is not None:
        fresh = f'"{side.name}".{EVENT} >= entity.{EVENT} - {interval(side.ttl)}'
    return _value(f'"{side.name}"."{output.column}"', fresh, output)


def _value(column: str, known: str, output: Output) -> str:
    found = column if known == "true" else f"CASE WHEN {known} THEN {column} END"
    whole = found if output.missing == "NULL" else f"coalesce({found}, {output.missing})"
    return f'({whole}){f"::{output.type}" if output.type else ""} AS "{output.name}"'


def interval(length: timedelta) -> str:
    """SQL, to the microsecond."""
    return f"to_microseconds({length // MICROSECOND})"


def _default(feature: Feature) -> str:
    if feature.default is None and feature.dtype == "float":
        return "'nan'::DOUBLE"
    return default_literal(feature)
