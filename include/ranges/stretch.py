"""The raw partitions of some days and of their look-back, read once for all of them.

A day's own steps read nine days of four sources, say, and the next day's read eight of them again. Here each file is checked,
read and filtered once, into one DuckDB session, and a day's tables are cut out of it: the same rows in the same order as
`include.features.offline.sources` loads them. Whatever is not plain (a file that cannot be read, types that differ between
days, too much for the memory) is left to the steps themselves: `NotPlain`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow.parquet as pq

from include.core.errors import SlipstreamError
from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.data.authored import memory
from include.data.columns import NULL, ROW, Types, canonical, same, stored, value
from include.data.session import open_session, seal
from include.data.sql import files, identifier
from include.ranges.known_raw import KnownRaw
from include.row_rules.predicate import first_of_its_key, is_unique, predicates, quarantine_rules

BYTES = 128 << 20  # of a stretch's files: a model with more in its days spends its time on them, not on reading them again
FILE = "__slipstream_file"
OURS = {FILE, ROW, "rowid", "file_row_number"}  # a source with such a column is not plain
CACHE = "stretch"  # the schema of what is read; a day's tables are in `main` and `today`


class NotPlain(Exception):
    """The step itself is to do it."""


@dataclass(frozen=True)
class Piece:
    """One file of one source: where its rows are in the session, and what the row rules say of them."""

    day: Partition
    digest: str
    path: Path
    first: int  # of its clean rows
    clean: int
    rows: int
    facts: Mapping[str, Any]  # by SQL aggregate


@dataclass
class Source:
    """A source's partitions that are plain, by day; all have the same columns."""

    name: str
    types: Types
    partitions: dict[Partition, Piece] = field(default_factory=dict)


class Stretch:
    """Days that follow each other. Closed by its `with`."""

    def __init__(self, spec: PartitionOwner, raw: KnownRaw, scratch: Path) -> None:
        self.spec, self.scratch = spec, scratch
        self.sources: dict[str, Source] = {}
        self._raw = raw
        self._open = ExitStack()
        # As the steps open theirs: one thread, so that sums of floats come out the same every time.
        session = open_session(1, memory(), spill=scratch / "spill", nan_counts=True, lock=False)
        self.connection = self._open.enter_context(session)
        self.connection.execute(f"CREATE SCHEMA today; CREATE SCHEMA {CACHE}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def read(self, days: Sequence[Partition], aggregates: Callable[[str, Types], Sequence[str]], names: Sequence[str]) -> None:
        """Read what the days need, and seal the session. `aggregates`: SQL of a source, worked out for each file.

        `names`: of the files that each day writes, in `folder(day)`. Never raises for the data: those are not plain.
        """
        wanted = sorted({past for day in days for past in self.spec.data.lookback(day)})
        for source in self.spec.data.sources:
            self._read(source, wanted, aggregates)
        for day in days:
            self.folder(day).mkdir(parents=True, exist_ok=True)
        seal(self.connection, [self.folder(day) / name for day in days for name in names])

    def folder(self, day: Partition) -> Path:
        """Where a day's files are written."""
        return self.scratch / "days" / str(day)

    def place(self, day: Partition, partitions: Mapping[str, Mapping[str, str]], wanted: Container[tuple[str, str]]) -> None:
        """Make the tables (schema, source) that the day's SQL reads. Raises NotPlain where they are not these files.

        The others stay as an earlier day left them, or are not there.
        """
        for name, digests in partitions.items():
            source = self.sources.get(name)
            held = {} if source is None else source.partitions
            window = [held.get(self._raw.cadence.parse(text)) for text in sorted(digests)]
            found = [each for each in window if each is not None and each.digest == digests[str(each.day)]]
            if not found or len(found) != len(window) or found[-1].day != day:
                raise NotPlain
            start, end = found[0].first, found[-1].first + found[-1].clean
            if sum(each.clean for each in found) != end - start:
                raise NotPlain  # others lie between
            for schema, first in (("main", start), ("today", found[-1].first)):
                if (schema, name) in wanted:
                    self._cut(schema, name, first, end)

    def _cut(self, schema: str, source: str, start: int, end: int) -> None:
        rows = f"SELECT * FROM {CACHE}.{identifier(source)} WHERE rowid >= {start} AND rowid < {end}"
        self.connection.execute(f"CREATE OR REPLACE TABLE {schema}.{identifier(source)} AS {rows}")

    # -- reading ---------------------------------------------------------------------------------------

    def _read(self, name: str, days: Sequence[Partition], aggregates: Callable[[str, Types], Sequence[str]]) -> None:
        found = self._fetch(name, days)
        if not found:
            return
        try:
            types = self._types(found)
            if not OURS & {column.lower() for column in types} and not {NULL, "NULL"} & set(types.values()):
                self.sources[name] = self._load(name, types, found, aggregates(name, types))
        except (duckdb.Error, SlipstreamError, NotPlain):  # the step says what is wrong, if anything is
            return

    def _fetch(self, name: str, days: Sequence[Partition]) -> dict[Partition, tuple[str, Path]]:
        """Digest and checked local file of each partition that is there, and that can be read."""
        found: dict[Partition, tuple[str, Path]] = {}
        for day in days:
            try:
                if self._raw.exists(name, day):
                    digest = self._raw.digest(name, day)
                    found[day] = digest, self._raw.fetch(name, day, digest, self.scratch / "raw")
            except SlipstreamError:
                continue
        return found if sum(path.stat().st_size for _, path in found.values()) <= BYTES else {}

    def _types(self, found: dict[Partition, tuple[str, Path]]) -> Types:
        """Those of the newest file; files with others are taken out of `found`."""
        known: list[tuple[Any, Types]] = []
        by_day: dict[Partition, Types] = {}
        for day, (_, path) in found.items():
            schema = pq.read_schema(path), pq.read_metadata(path).schema
            types = next((each for seen, each in known if seen[0].equals(schema[0]) and seen[1].equals(schema[1])), None)
            if types is None:
                types = stored(self.connection, path)
                known.append((schema, types))
            by_day[day] = types
        newest = by_day[max(by_day)]
        for day, types in by_day.items():
            if types != newest or list(types) != list(newest):
                del found[day]
        return newest

    def _load(self, name: str, types: Types, found: Mapping[Partition, tuple[str, Path]], aggregates: Sequence[str]) -> Source:
        """All rows, then the clean ones, in the order in which the step would have them."""
        days, raw = sorted(found), f"{CACHE}.{identifier(name + ' raw')}"
        paths = [found[day][1] for day in days]
        columns = ", ".join(f"{value(column, type_)} AS {identifier(column)}" for column, type_ in types.items())
        read = f"read_parquet([{files(paths)}], hive_partitioning = false, filename = '{FILE}')"
        self.connection.execute(f"CREATE TABLE {raw} AS SELECT {columns}, {FILE}, file_row_number AS {ROW} FROM {read}")
        good = predicates(self.spec.expectations, name)
        measured = self._measure(raw, (f"count(*) FILTER (WHERE NOT ({good}))", *aggregates))
        source, start, first = Source(name, types), 0, 0
        unique = [rule for rule in quarantine_rules(self.spec.expectations, name) if is_unique(rule)]
        table, all_but_ours = f"{CACHE}.{identifier(name)}", f"* EXCLUDE ({ROW}, {FILE}){_casts(types)}"
        self.connection.execute(f"CREATE TABLE {table} AS SELECT {all_but_ours} FROM {raw} LIMIT 0")
        for day, path in zip(days, paths, strict=True):
            rows, bad, *values = measured.get(str(path), (0, 0, *([None] * len(aggregates))))
            within = f"FROM {raw} WHERE rowid >= {start} AND rowid < {start + rows}"
            where = f" AND ({good})" if bad else ""
            once = f" QUALIFY {' AND '.join(map(first_of_its_key, unique))}" if unique else ""
            chosen = f"SELECT {all_but_ours} {within}{where}{once}"
            (clean,) = self.connection.execute(f"INSERT INTO {table} {chosen}").fetchall()[0]
            facts = dict(zip(aggregates, values, strict=True))
            source.partitions[day] = Piece(day, *found[day], first, clean, rows, facts)
            start, first = start + rows, first + clean
        self.connection.execute(f"DROP TABLE {raw}")
        return source

    def _measure(self, raw: str, aggregates: Sequence[str]) -> dict[str, tuple[Any, ...]]:
        """By file: its rows, and the aggregates. Raises NotPlain if the rows of a file do not lie together."""
        selected = ", ".join(aggregates)
        query = f"SELECT {FILE}, min(rowid), max(rowid), count(*), {selected} FROM {raw} GROUP BY {FILE} ORDER BY min(rowid)"
        measured = self.connection.execute(query).fetchall()
        if any(last - first + 1 != rows for _, first, last, rows, *_ in measured):
            raise NotPlain
        return {path: (rows, *values) for path, _, _, rows, *values in measured}


def _casts(types: Types) -> str:
    """What makes columns that were read by `value` those of alike files together, where that is another type: of a day."""
    others = {name: target for name, type_ in types.items() if (target := same([type_])) != canonical(type_)}
    casts = (f"CAST({identifier(name)} AS {target}) AS {identifier(name)}" for name, target in others.items())
    return f" REPLACE ({', '.join(casts)})" if others else ""
