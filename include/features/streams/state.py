"""The events that still count, in DuckDB: what the authors' SQL reads. Bounded by the window, and by DuckDB's own limit.

held.{source}    the events: their columns, key, partition, offset and stamp
main.{source}    what one evaluation reads: the events of the keys that it is about
today.{source}   of these the day's own
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from include.core.errors import SpecError
from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.core.spec.streams import EventSource
from include.core.time import from_microseconds
from include.data.authored import memory
from include.data.session import open_session, seal
from include.data.sql import identifier, literal, quoted
from include.event_log.decode import SQL
from include.event_log.port import Place
from include.features.streams.arrivals import NOTHING
from include.row_rules.predicate import is_unique, predicates, quarantine_rules

KEY, PART, TOPIC, OFFSET, STAMP = (f"__slipstream_{name}" for name in ("key", "part", "topic", "offset", "stamp"))
ABOUT = "temp._about"  # the keys that a partition is evaluated for


class EventState:
    """One connection, one thread: sums of floats come out the same every time. The session is sealed: authors' SQL runs in it."""

    def __init__(self, spec: PartitionOwner, scratch: Path) -> None:
        self._spec, self.sources = spec, spec.streams.sources
        self.topics = sorted(topic for source in self.sources for topic in source.topics)
        self.connection: duckdb.DuckDBPyConnection = open_session(1, memory(), spill=scratch / "spill", lock=False)
        for schema in ("today", "held", "known"):
            self.connection.execute(f"CREATE SCHEMA {schema}")
        extra = f"{KEY} VARCHAR, {PART} INTEGER, {TOPIC} INTEGER, {OFFSET} BIGINT, {STAMP} BIGINT"
        self._good = {}
        for source in self.sources:
            self._good[source.source] = _rules(spec, source)
            columns = ", ".join(f'"{c.name}" {SQL[c.type]}' for c in source.columns)
            self.connection.execute(f'CREATE TABLE held."{source.source}" ({columns}, {extra})')
            for schema in ("main", "today"):
                self.connection.execute(f'CREATE TABLE {schema}."{source.source}" ({columns})')
        self.connection.execute(
            "CREATE TEMP TABLE _touched (key VARCHAR, part INTEGER, since TIMESTAMP, upto TIMESTAMP, stamp BIGINT)"
        )
        self.connection.execute("CREATE TEMP TABLE _marks (part INTEGER, upto TIMESTAMP)")
        self.connection.execute("CREATE TEMP TABLE _logged (part INTEGER, stamp BIGINT, watermark TIMESTAMP)")
        seal(self.connection)

    # -- events in, events out -----------------------------------------------------------------------------------------------

    def add(self, source: EventSource, events: pa.Table, touch: Collection[int]) -> list[tuple[int, int, int]]:
        """Keep events (the source's columns, part, topic, offset, stamp). Those of partitions in `touch` have their keys computed
        anew. Returns (topic, partition, offset) of those that break a row rule of the source."""
        run = self.connection.execute
        self.connection.register("arrived", events)
        try:
            good = self._good[source.source]
            broken = run(f"SELECT {TOPIC}, {PART}, {OFFSET} FROM arrived WHERE NOT ({good})").fetchall()
            key = f'"{self._spec.streams.key}"::VARCHAR' if self._spec.streams.key else "''"
            names = quoted(*(c.name for c in source.columns))
            own = f"{PART}, {TOPIC}, {OFFSET}, {STAMP}"
            run(f"CREATE OR REPLACE TEMP TABLE _new AS SELECT {names}, {key} AS {KEY}, {own} FROM arrived WHERE {good}")
        finally:
            self.connection.unregister("arrived")
        if source.id:
            self._drop_known(source)
        run(f'INSERT INTO held."{source.source}" BY NAME FROM temp._new')
        if touch:
            parts = ", ".join(map(str, sorted(touch)))
            run(
                f'INSERT INTO _touched SELECT {KEY}, {PART}, min("{source.time}"), max("{source.time}"), max({STAMP}) '
                f"FROM temp._new WHERE {PART} IN ({parts}) GROUP BY ALL"
            )
        return [(int(topic), int(part), int(offset)) for topic, part, offset in broken]

    def _drop_known(self, source: EventSource) -> None:
        """Of events of one name the first stays."""
        name, run = f'"{source.id}"', self.connection.execute
        run(f'DELETE FROM temp._new WHERE {name} IN (SELECT {name} FROM held."{source.source}")')
        if run(f"SELECT count(*) > count(DISTINCT {name}) FROM temp._new").fetchall()[0][0]:
            run(f"CREATE OR REPLACE TEMP TABLE _new AS FROM temp._new "
                f"QUALIFY row_number() OVER (PARTITION BY {name} ORDER BY {STAMP}, {OFFSET}) = 1")  # fmt: skip

    def touch_all(self, since: int, parts: Collection[int] | None = None) -> None:
        """Have every key that has events computed anew from a moment on (microseconds); of these partitions, else of all."""
        among = "TRUE" if parts is None else f"{PART} IN ({', '.join(map(str, sorted(parts)))})"
        for source in self.sources:
            self.connection.execute(
                f"INSERT INTO _touched SELECT {KEY}, {PART}, make_timestamp({since}::BIGINT), TIMESTAMP '9999-12-31', "
                f'max({STAMP}) FROM held."{source.source}" WHERE {among} GROUP BY ALL'
            )

    def touched(self) -> tuple[datetime, datetime] | None:
        """Since when, and up to when, keys were touched; None where none was."""
        first, last = self.connection.execute("SELECT min(since), max(upto) FROM _touched").fetchall()[0]
        return None if first is None else (first, last)

    def done(self) -> None:
        self.connection.execute("DELETE FROM _touched")

    def load(self, own: Partition, *, today: bool) -> None:
        """The tables of a partition, of the touched keys alone; `today`: whether the SQL reads its own events as well."""
        window, run = self._spec.streams.window, self.connection.execute
        first, after = literal(self._spec.data.lookback(own)[0].start), literal(own.end)
        key = "key, any_value(part) AS part" if self._spec.streams.key else "key, NULL::INTEGER AS part"
        run(
            f"CREATE OR REPLACE TEMP TABLE _about AS SELECT {key}, min(since) AS since, max(stamp) AS stamp FROM _touched "
            f"WHERE since < {after} AND upto >= {first} GROUP BY key"
        )
        for source in self.sources:
            name, time = identifier(source.source), f'held."{source.time}"'
            since = f" AND {time} >= about.since - {_interval(window)}" if window else ""
            columns = ", ".join(f'held."{c.name}"' for c in source.columns)
            run(
                f"CREATE OR REPLACE TABLE main.{name} AS SELECT {columns} FROM held.{name} AS held JOIN {ABOUT} AS about "
                f"ON held.{KEY} = about.key WHERE {time} >= {first} AND {time} < {after}{since}"
            )
            if today:
                run(f'CREATE OR REPLACE TABLE today.{name} AS FROM main.{name} WHERE "{source.time}" >= {literal(own.start)}')

    def mark(self, moments: Mapping[int, int]) -> None:
        """Up to when rows are due, by partition (microseconds)."""
        self.connection.execute("DELETE FROM _marks")
        rows = ", ".join(f"({part}, make_timestamp({at}::BIGINT))" for part, at in moments.items() if at > NOTHING)
        if rows:
            self.connection.execute(f"INSERT INTO _marks VALUES {rows}")

    def logged(self, part: int, stamp: int, watermark: int) -> None:
        """Rows of that partition that were made of no newer stamp are in the offline log up to that moment."""
        run = self.connection.execute
        run(f"DELETE FROM _logged WHERE part = {part}")
        run(f"INSERT INTO _logged VALUES ({part}, {stamp}, make_timestamp({watermark}::BIGINT))")

    # -- bounds --------------------------------------------------------------------------------------------------------------

    def forget(self, part: int, newest: int, late: timedelta) -> None:
        """Drop what no row of that partition can need any more, its newest event time being that (microseconds)."""
        at, data = from_microseconds(newest) - late, self._spec.data
        if (window := self._spec.streams.window) is not None:
            bound = literal(at - window)
        else:
            bound = literal(data.lookback(data.cadence.at(max(at, data.earliest.start)))[0].start)
        for source in self.sources:
            self.connection.execute(f'DELETE FROM held."{source.source}" WHERE {PART} = {part} AND "{source.time}" < {bound}')

    def drop(self, parts: Collection[int]) -> None:
        """Forget partitions that are somebody else's, or are to be read again."""
        among = ", ".join(map(str, sorted(parts)))
        for source in self.sources if parts else ():
            self.connection.execute(f'DELETE FROM held."{source.source}" WHERE {PART} IN ({among})')

    def floors(self) -> dict[Place, int]:
        """The oldest offset that is held, by place."""
        found: dict[Place, int] = {}
        for source in self.sources:
            sql = f'SELECT {TOPIC}, {PART}, min({OFFSET}) FROM held."{source.source}" GROUP BY ALL'
            found.update({(self.topics[topic], part): low for topic, part, low in self.connection.execute(sql).fetchall()})
        return found

    def events(self) -> int:
        """How many are held."""
        counts = [self.connection.execute(f'SELECT count(*) FROM held."{s.source}"').fetchall()[0][0] for s in self.sources]
        return int(sum(counts))

    def close(self) -> None:
        self.connection.close()


def _rules(spec: PartitionOwner, source: EventSource) -> str:
    """SQL: the row breaks no rule that sets rows aside. Raises SpecError for a rule that looks at other rows."""
    if not spec.expectations:
        return "TRUE"
    if unique := [rule for rule in quarantine_rules(spec.expectations, source.source) if is_unique(rule)]:
        raise SpecError(
            f"The source {source.source!r} of {spec.name} comes as a stream, and a rule sets aside rows that are there twice.",
            seen=unique[0].columns,
            safe="nothing was read.",
            hint="name the column that tells events apart as `id` of the stream's source, and drop the rule's on_failure.",
        )
    return predicates(spec.expectations, source.source)


def _interval(length: timedelta) -> str:
    return f"to_microseconds({length // timedelta(microseconds=1)}::BIGINT)"
