"""One source's rows of one day: its schema checked, its bad rows set aside with their reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.lib import ArrowException

from include.core.errors import DataError
from include.validation.expectation import Expectation
from include.validation.rows import first_of_its_key, is_unique, literal, predicate, sql_types


@dataclass(frozen=True)
class Batch:
    """A local Parquet file, what to call it in a message ("flights of 2013-01-01"), and a database to read it with."""

    name: str
    path: Path
    database: duckdb.DuckDBPyConnection

    def read(self) -> pa.Table:
        """All rows. Raises DataError if its pages cannot be read."""
        try:
            return pq.ParquetFile(self.path).read()
        except (ArrowException, OSError) as error:
            raise DataError(
                f"The rows of {self.name} cannot be read: {error}.",
                seen=str(self.path),
                safe="the published partition stays.",
                hint="write the partition again, whole, then clear the task.",
            ) from error

    def check_schema(self, rules: Sequence[Expectation]) -> None:
        """Raises DataError for a column that is gone, or one whose `stop` type rule no longer holds."""
        seen = self._types()
        for rule in rules:
            for column in rule.columns:
                if column not in seen and rule.kind != "ExpectColumnToExist":
                    raise self._changed(f"has no column {column!r}", sorted(seen), f"{column!r}, which {rule} reads")
            if rule.types and rule.on_failure == "stop" and seen[rule.columns[0]] not in (*sql_types(rule), '"NULL"'):
                kind = seen[rule.columns[0]]
                raise self._changed(f"has column {rule.columns[0]!r} as {kind}", kind, " or ".join(sql_types(rule)))

    def quarantine(self, rules: Sequence[Expectation], target: Path) -> int:
        """Write the rows that break a quarantine rule, and `reason`, to `target`. Returns how many there are."""
        held = [rule for rule in rules if rule.on_failure == "quarantine"]
        if not held:
            return 0
        bad = self.database.sql(_bad_rows(self.path, held)).to_arrow_table()
        if bad.num_rows:
            pq.write_table(bad, target, compression="zstd")
        return int(bad.num_rows)

    def _types(self) -> dict[str, str]:
        rows = self.database.execute(f"DESCRIBE SELECT * FROM {_source(self.path)}").fetchall()
        return {row[0]: row[1] for row in rows}

    def _changed(self, how: str, seen: object, expected: str) -> DataError:
        return DataError(
            f"The schema of {self.name} changed: {self.path} {how}; expected {expected}.",
            seen=seen,
            safe="nothing was read into features; the published partition stays.",
            hint="land the partition with its old schema, or change the rules and features of the model together.",
        )


def open_database() -> duckdb.DuckDBPyConnection:
    """An empty in-memory database whose times are UTC."""
    database = duckdb.connect(config={"threads": 1})
    database.execute("SET TimeZone = 'UTC'")
    # A Parquet column's statistics leave NaN out, and DuckDB folds comparisons by them: NaN would seem to break a bound.
    database.execute("SET disabled_optimizers = 'statistics_propagation'")
    return database


def _source(path: Path) -> str:
    # Folders named `date=...` must not become a column.
    return f"read_parquet({literal(str(path))}, hive_partitioning = false)"


def _bad_rows(path: Path, rules: Sequence[Expectation]) -> str:
    single = [(rule, predicate(rule)) for rule in rules if not is_unique(rule)]
    unique = [(rule, first_of_its_key(rule, "row_reason")) for rule in rules if is_unique(rule)]
    return f"""
        WITH judged AS (SELECT *, file_row_number, {_reasons(single)} AS row_reason FROM {_source(path)}),
        compared AS (SELECT *, {_reasons(unique)} AS key_reason FROM judged)
        SELECT * EXCLUDE (file_row_number, row_reason, key_reason),
            CASE WHEN row_reason <> '' THEN row_reason ELSE key_reason END AS reason
        FROM compared WHERE row_reason <> '' OR key_reason <> '' ORDER BY file_row_number"""


def _reasons(rules: Sequence[tuple[Expectation, str]]) -> str:
    parts = [f"CASE WHEN NOT ({good}) THEN {literal(str(rule))} END" for rule, good in rules]
    return f"concat_ws('; ', {', '.join(parts)})" if parts else "''"
