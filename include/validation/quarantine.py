"""Rows that were set aside: which days hold some, why, and which of them today's rules would let through.

Nothing is moved by hand. A row leaves quarantine because the rule was corrected or the partition was landed
again; either changes a digest, so running the day's features again makes a new verdict and publishes its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from include.core.ledger import Ledger
from include.core.request import Result
from include.data.sql import identifier, parquet
from include.row_rules.expectation import Expectation
from include.row_rules.predicate import is_unique, predicate
from include.step_values.validation import ValidateValue
from include.validation.batch import open_database


@dataclass(frozen=True)
class QuarantinedRows:
    """One source's quarantine of one day, by the newest verdict on it."""

    day: str
    source: str
    rows: int
    quarantined: int
    result: Result

    @property
    def file(self) -> str:
        return f"quarantine-{self.source}.parquet"


def quarantines(ledger: Ledger, verdicts: Iterable[str]) -> list[QuarantinedRows]:
    """The sources with rows in quarantine among the verdicts of these `validate` keys, oldest day first."""
    newest: dict[tuple[str, str], QuarantinedRows] = {}
    for result in filter(None, (ledger.result(key) for key in verdicts)):
        for held in _sources(result):
            before = newest.get((held.day, held.source))
            if before is None or before.result.committed_at <= result.committed_at:
                newest[(held.day, held.source)] = held
    return [held for _, held in sorted(newest.items()) if held.quarantined]


def _sources(result: Result) -> Iterator[QuarantinedRows]:
    value = result.read(ValidateValue)
    for name, source in value.get("sources", {}).items():
        yield QuarantinedRows(str(value["day"]), name, source["rows"], source["quarantined"], result)


def reasons(path: Path) -> list[tuple[str, int]]:
    """How many rows each reason holds, most first."""
    database = open_database()
    reason = identifier(_columns(database, path)[-1])
    sql = f"SELECT {reason}, count(*) AS n FROM {parquet([path])} GROUP BY 1 ORDER BY n DESC, 1"
    return [(str(found), int(count)) for found, count in database.execute(sql).fetchall()]


def would_pass(path: Path, rules: Iterable[Expectation]) -> int:
    """How many of the quarantined rows break none of these rules about single rows.

    Uniqueness is not asked: it needs the rest of the partition.
    """
    database = open_database()
    *columns, reason = _columns(database, path)
    held = [
        rule for rule in rules if rule.on_failure == "quarantine" and not is_unique(rule) and set(rule.columns) <= set(columns)
    ]
    good = " AND ".join(predicate(rule) for rule in held) or "TRUE"
    # A row that is only there for its key says so in its reason, and stays.
    unique = f"NOT contains({identifier(reason)}, 'ToBeUnique(')"
    sql = f"SELECT count(*) FROM {parquet([path])} WHERE {good} AND {unique}"
    return int(database.execute(sql).fetchall()[0][0])


def _columns(database: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """The columns of a quarantine file: its source's, and last the reason, whatever it is called there."""
    return [str(row[0]) for row in database.execute(f"DESCRIBE SELECT * FROM {parquet([path])}").fetchall()]
