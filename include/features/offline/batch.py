"""The point-in-time join in batches of time: memory follows the batch, and time the rows, however many there are.

Entity rows are taken in order of time, some hundred thousand at once. A batch needs the view rows that become
known within it, and of all earlier ones only the one that stands for each key: those are carried from batch to
batch. So every view row is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import duckdb

from include.data.sql import quoted
from include.point_in_time.join import CREATED, EVENT, Side, interval, join, known, order

ROWS = 250_000  # entity rows a batch: a few hundred MB with four views


@dataclass(frozen=True)
class Span:
    """Entity rows from `first` (included) to `end` (not included), UTC without zone."""

    first: datetime
    end: datetime

    @property
    def where(self) -> str:
        """SQL of a relation's rows within."""
        return f"{EVENT} >= {_sql(self.first)} AND {EVENT} < {_sql(self.end)}"


def spans(connection: duckdb.DuckDBPyConnection, entities: str, rows: int = ROWS) -> list[Span]:
    """The batches of a relation's rows by event_timestamp, oldest first; none where there are no rows."""
    count, first, last = connection.execute(f"SELECT count(*), min({EVENT}), max({EVENT}) FROM {entities}").fetchall()[0]
    if not count:
        return []
    cuts: list[datetime] = []
    if count > rows:
        shares = [n * rows / count for n in range(1, -(-count // rows))]
        query = f"SELECT unnest(approx_quantile({EVENT}, {shares})) FROM {entities}"
        cuts = [cut for (cut,) in connection.execute(query).fetchall() if first < cut <= last]
    edges = [first, *sorted(set(cuts)), last + timedelta(microseconds=1)]
    return [Span(*pair) for pair in pairwise(edges)]


@dataclass(frozen=True)
class Step:
    """One batch: the SQL of its entity rows, and the sides with the rows that these may see."""

    within: str
    sides: Sequence[Side]
    span: Span | None  # None without entity rows


def batches(
    connection: duckdb.DuckDBPyConnection,
    sides: Sequence[Side],
    entities: str,
    columns: Sequence[str],
    rows: int = ROWS,
) -> Iterator[str]:
    """The SQL of each batch, to be run before the next is asked for. Together: one row for each entity row.

    `entities` is the name of a table or view with event_timestamp and every key; `columns` are expressions over it
    under the name `entity`.
    """
    return (join(step.sides, step.within, columns) for step in steps(connection, sides, entities, rows))


def steps(connection: duckdb.DuckDBPyConnection, sides: Sequence[Side], entities: str, rows: int = ROWS) -> Iterator[Step]:
    """The batches, each to be done with before the next is asked for. The sides' `plain` is found out from their rows."""
    found = spans(connection, entities, rows)
    if not found:
        yield Step(entities, [replace(each, plain=False) for each in sides], None)
        return
    whole = Span(found[0].first, found[-1].end)
    looked = [_look(connection, each, whole) for each in sides]
    for place, span in enumerate(found):
        within = f"(SELECT * FROM {entities} WHERE {span.where})"
        if len(found) == 1:
            within = entities
        now = [_within(n, each, late, span, first=place == 0) for n, (each, late) in enumerate(looked)]
        yield Step(within, now, span)
        if span is not found[-1]:
            for n, each in enumerate(now):
                _hand_on(connection, n, each)


def _look(connection: duckdb.DuckDBPyConnection, side: Side, span: Span) -> tuple[Side, timedelta]:
    """The side with `plain` as its rows are, and by how much the latest row came late. One scan of keys and times."""
    created = f"coalesce({CREATED}, {EVENT})" if side.created else EVENT
    since = [f"{EVENT} >= {_sql(span.first)} - {interval(side.ttl)}"] if side.ttl is not None else []
    where = " AND ".join((*(f'"{key}" IS NOT NULL' for key in side.keys), f"{EVENT} < {_sql(span.end)}", *since))
    # Two keys with one hash would only cost the staircase, never a wrong row.
    count, distinct, finite, late = connection.execute(f"""
        SELECT count(*), count(DISTINCT hash({quoted(*side.keys, EVENT)})),
            coalesce(bool_and(isfinite({EVENT}) AND isfinite({created})), true),
            coalesce(max(epoch_us({created}) - epoch_us({EVENT})) FILTER (isfinite({EVENT}) AND isfinite({created})), 0)
        FROM {side.rows} WHERE {where}
    """).fetchall()[0]
    return replace(side, plain=finite and count == distinct and late <= 0), timedelta(microseconds=max(late, 0))


def _narrow(side: Side, span: Span, late: timedelta, since: datetime | None) -> Side:
    """The rows that the span's entities may see; only those known from `since` on, where the others are carried."""
    limits = [f"{EVENT} < {_sql(span.end)}"]
    if side.ttl is not None:
        limits.append(f"{EVENT} >= {_sql(span.first)} - {interval(side.ttl)}")
    if since is not None:  # the bound on the event time lets whole row groups be skipped
        limits.append(f"{EVENT} >= {_sql(since)} - {interval(late)}")
    if not side.plain:
        limits += [f"isfinite({EVENT})", f"{known(side)} < {_sql(span.end)}"]
        limits += [f"isfinite(coalesce({CREATED}, {EVENT}))"] if side.created else []
        limits += [f"{known(side)} >= {_sql(since)}"] if since is not None else []
    limits += [f'"{key}" IS NOT NULL' for key in side.keys]
    return replace(side, rows=f"(SELECT * FROM {side.rows} WHERE {' AND '.join(limits)})")


def _within(n: int, side: Side, late: timedelta, span: Span, *, first: bool) -> Side:
    """The side of one batch: the rows that become known in it, and those that were carried to it."""
    new = _narrow(side, span, late, None if first else span.first)
    rows = new.rows if first else f"(SELECT * FROM {new.rows} UNION ALL BY NAME SELECT * FROM temp.carried_{n})"
    return replace(side, rows=rows)


def _hand_on(connection: duckdb.DuckDBPyConnection, n: int, side: Side) -> None:
    """Table `carried_n`: of each key the row that stands at the end of a batch."""
    partition = f"PARTITION BY {quoted(*side.keys)} " if side.keys else ""
    newest = f"{EVENT} DESC" if side.plain else order(side)
    standing = f"SELECT * FROM {side.rows} QUALIFY row_number() OVER ({partition}ORDER BY {newest}) = 1"
    connection.execute(f"CREATE TEMP TABLE next_{n} AS {standing}")
    connection.execute(f"DROP TABLE IF EXISTS temp.carried_{n}; ALTER TABLE temp.next_{n} RENAME TO carried_{n}")


def _sql(moment: datetime) -> str:
    return f"TIMESTAMP '{moment}'"
