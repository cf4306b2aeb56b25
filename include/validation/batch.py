"""One source's rows of one day: its schema checked, its bad rows set aside with their reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.lib import ArrowException

from include.core.errors import DataError
from include.data.columns import NULL, ROW, Types, canonical, culprit, nested, rows, stored, unreadable
from include.data.raw import check_names
from include.data.session import open_session
from include.data.sql import copy, identifier, literal
from include.row_rules.expectation import Expectation
from include.row_rules.predicate import first_of_its_key, is_unique, predicate, sql_types

SCAN_THREADS = 4  # more gain nothing: the pages of one file are read in turn
MEMORY = "500MB"  # DuckDB's own bound; what does not fit (keys of a uniqueness rule) goes to disk


@dataclass(frozen=True)
class Batch:
    """A local Parquet file, what to call it in a message ("flights of 2013-01-01"), and a database to read it with."""

    name: str
    path: Path
    database: duckdb.DuckDBPyConnection

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """All rows. Raises DataError if its pages cannot be read."""
        try:
            return self.database.sql(f"FROM {self.of(columns)}").to_arrow_table()
        except duckdb.OutOfMemoryException:
            raise
        except (duckdb.Error, ArrowException, OSError) as error:
            raise self._unreadable(error, columns) from error

    def chunks(self, rows: int, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """All rows, at most `rows` at a time. Raises as `read` does."""
        try:
            for batch in self.database.sql(f"FROM {self.of(columns)}").to_arrow_reader(rows):
                yield pa.Table.from_batches([batch])
        except duckdb.OutOfMemoryException:
            raise
        except (duckdb.Error, ArrowException, OSError) as error:
            raise self._unreadable(error, columns) from error

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a SELECT. Raises DataError if the file's pages cannot be read."""
        try:
            return self.database.execute(sql).fetchall()
        except duckdb.InvalidInputException as error:  # text that is no UTF-8, a time that no calendar holds
            raise self._unreadable(error, None) from error
        except (duckdb.ProgrammingError, duckdb.OutOfMemoryException):  # our own SQL, or this machine: not the file
            raise
        except duckdb.Error as error:
            raise self._unreadable(error, None) from error

    @cached_property
    def rows(self) -> int:
        return int(pq.read_metadata(self.path).num_rows)

    @cached_property
    def stored(self) -> Types:
        """DuckDB's name of each column's type, as the file has it."""
        try:
            names = pq.read_schema(self.path).names
        except (ArrowException, OSError) as error:
            raise unreadable(f"The columns of {self.name} cannot be read", error) from error
        check_names(names, f"The partition {self.name}")
        return stored(self.database, self.path)

    @cached_property
    def types(self) -> Types:
        """DuckDB's name of the type as which each column is read (include/data/columns.py)."""
        return {name: canonical(type_) for name, type_ in self.stored.items()}

    def of(self, columns: list[str] | None) -> str:
        """What stands after FROM for some of the columns; None for all."""
        held = None if columns is None else [name for name in columns if name in self.stored]
        return rows([self.path], self.stored, held)

    @cached_property
    def source(self) -> str:
        """What stands after FROM."""
        return self.of(None)

    @cached_property
    def numbered(self) -> str:
        """As `source`, with the place of each row."""
        return rows([self.path], self.stored, numbered=True)

    def check_schema(self, rules: Sequence[Expectation]) -> None:
        """Raises DataError for a column that is gone, or one whose `stop` type rule no longer holds."""
        seen = self.types
        for rule in rules:
            for column in rule.columns:
                if column not in seen and rule.kind != "ExpectColumnToExist":
                    raise self._changed(f"has no column {column!r}", sorted(seen), f"{column!r}, which {rule} reads")
                if column in seen and (nested(seen[column]) or seen[column] == "BLOB"):
                    raise self._changed(f"has column {column!r} as {seen[column]}", seen[column], "a type that rules can judge")
            known = [self.stored[column] for column in rule.columns if self.stored.get(column, NULL) != NULL]
            if rule.types and rule.on_failure == "stop" and known and canonical(known[0]) not in sql_types(rule):
                kind = known[0]
                raise self._changed(f"has column {rule.columns[0]!r} as {kind}", kind, " or ".join(sql_types(rule)))

    def quarantine(self, rules: Sequence[Expectation], target: Path) -> int:
        """Write the rows that break a quarantine rule, and `reason`, to `target`. Returns how many there are."""
        held = [rule for rule in rules if rule.on_failure == "quarantine"]
        if not held or not self.rows:
            return 0
        sql = copy(_bad_rows(self.numbered, held, reason_column(self.stored)), target)
        (found,) = self.query(sql)[0]
        if not found:
            target.unlink()
        return int(found)

    def _unreadable(self, error: Exception, columns: list[str] | None) -> DataError:
        where = culprit(self.database, self.path, self.stored, columns)
        return DataError(
            f"The rows of {self.name} cannot be read: {f'{where}: ' if where else ''}{str(error)[:400]}.",
            seen=str(self.path),
            safe="the published partition stays.",
            hint="write the partition again, whole, then clear the task.",
        )

    def _changed(self, how: str, seen: object, expected: str) -> DataError:
        return DataError(
            f"The schema of {self.name} changed: {self.path} {how}; expected {expected}.",
            seen=seen,
            safe="nothing was read into features; the published partition stays.",
            hint="land the partition with its old schema, or change the rules and features of the model together.",
        )


def open_database() -> duckdb.DuckDBPyConnection:
    """A session for rules: bounded memory, and as many threads as a scan of a big partition can use."""
    return open_session(min(SCAN_THREADS, os.cpu_count() or 1), MEMORY, nan_counts=True)


def reason_column(names: Iterable[str]) -> str:
    """The name of our last column of a quarantine file: `reason`, unless the source has one of its own."""
    taken, name = {given.lower() for given in names}, "reason"
    while name in taken:
        name = f"slipstream_{name}"
    return name


def _bad_rows(source: str, rules: Sequence[Expectation], name: str) -> str:
    """Rows in file order with their reason. A row that breaks a rule of its own is not asked for its key too."""
    single = [(rule, predicate(rule)) for rule in rules if not is_unique(rule)]
    unique = [(rule, first_of_its_key(rule, f"({_all_hold(single)})")) for rule in rules if is_unique(rule)]
    reason = f"CASE WHEN {_all_hold(single)} THEN {_reasons(unique)} ELSE {_reasons(single)} END"
    broken = f"NOT ({_all_hold(single)})" + (f" OR NOT ({_all_hold(unique)})" if unique else "")
    return f"""
        SELECT * EXCLUDE ({ROW}), {reason} AS {identifier(name)} FROM {source}
        {"QUALIFY" if unique else "WHERE"} {broken} ORDER BY {ROW}"""


def _all_hold(rules: Sequence[tuple[Expectation, str]]) -> str:
    return " AND ".join(good for _, good in rules) or "TRUE"


def _reasons(rules: Sequence[tuple[Expectation, str]]) -> str:
    parts = [f"CASE WHEN NOT ({good}) THEN {literal(str(rule))} END" for rule, good in rules]
    return f"concat_ws('; ', {', '.join(parts)})" if parts else "''"
