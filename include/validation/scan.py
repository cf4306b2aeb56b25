"""A partition of any size judged in bounded memory: one scan for all rules that SQL can answer.

The rest goes to the library in ways that keep its verdict: rules about rows chunk by chunk, their counts added;
rules about the schema on no rows at all; what is left (a rare rule about a whole column, or with a row
condition) on its own columns alone, which is the one case whose memory grows with the partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from include.row_rules.catalogue import ARGUMENTS
from include.row_rules.expectation import Expectation
from include.validation.batch import Batch
from include.validation.column import Column
from include.validation.plan import SAMPLE, Plan, counted
from include.validation.plan_columns import COLUMN_PLANS
from include.validation.plan_rows import ROW_PLANS
from include.validation.port import ExpectationRunner
from include.validation.rank import Query
from include.validation.verdict import Check

WHOLE_ROWS = 250_000  # up to here the library judges the whole partition: about 400 MB with thirty columns
CHUNK_ROWS = 250_000

_CONDITIONAL = {"row_condition", "condition_parser", "ignore_row_if"}
_SCHEMA_RULES = frozenset(
    {
        "ExpectColumnToExist",
        "ExpectTableColumnCountToBeBetween",
        "ExpectTableColumnCountToEqual",
        "ExpectTableColumnsToMatchOrderedList",
        "ExpectTableColumnsToMatchSet",
    }
)
_NOT_BY_CHUNK = frozenset(  # they have `mostly`, but a row's answer depends on the other rows
    {"ExpectColumnValueZScoresToBeLessThan", "ExpectColumnValuesToBeUnique", "ExpectCompoundColumnsToBeUnique"}
)


def check_batch(name: str, batch: Batch, rules: Sequence[Expectation], runner: ExpectationRunner) -> list[Check]:
    """One check for each rule, in order, whatever the size of the partition."""
    if batch.rows <= WHOLE_ROWS:
        return _whole(name, batch, rules, runner)
    return scan_batch(name, batch, rules, runner)


def _whole(name: str, batch: Batch, rules: Sequence[Expectation], runner: ExpectationRunner) -> list[Check]:
    """The columns that rules name, converted once; rules about the schema see all the names."""
    schema = {at: rule for at, rule in enumerate(rules) if rule.kind in _SCHEMA_RULES}
    other = {at: rule for at, rule in enumerate(rules) if at not in schema}
    checks = dict(zip(schema, runner.check(f"{name}: schema", _schema(batch), list(schema.values())), strict=True))
    if other:
        found = runner.check(name, batch.read(_columns(list(other.values()))), list(other.values()))
        checks |= zip(other, found, strict=True)
    return [checks[at] for at in range(len(rules))]


def scan_batch(name: str, batch: Batch, rules: Sequence[Expectation], runner: ExpectationRunner) -> list[Check]:
    """As `check_batch`, without ever holding the partition."""
    plans = {at: plan for at, rule in enumerate(rules) if (plan := make_plan(rule, batch)) is not None}
    checks = dict(zip(plans, _scanned(batch, list(plans.values())), strict=True))
    left = {at: rule for at, rule in enumerate(rules) if at not in plans}
    schema = {at: rule for at, rule in left.items() if rule.kind in _SCHEMA_RULES}
    chunked = {at: rule for at, rule in left.items() if at not in schema and _by_chunk(rule)}
    checks |= zip(schema, runner.check(f"{name}: schema", _schema(batch), list(schema.values())), strict=True)
    checks |= zip(chunked, _chunked(name, batch, list(chunked.values()), runner), strict=True)
    for at, rule in left.items():
        if at not in checks:
            (checks[at],) = runner.check(f"{name}: {at}", batch.read(_columns([rule])), [rule])
    return [checks[at] for at in range(len(rules))]


def make_plan(rule: Expectation, batch: Batch) -> Plan | None:
    """None where SQL could answer otherwise than great_expectations, which is asked instead."""
    make = {**ROW_PLANS, **COLUMN_PLANS}.get(rule.kind)
    if make is None or _CONDITIONAL & set(rule.arguments):
        return None
    plan = make(rule, [Column(name, batch.types[name]) for name in rule.columns])
    return plan if plan is None or _understood(batch, plan) else None


def _understood(batch: Batch, plan: Plan) -> bool:
    """Whether DuckDB can run it: its regular expressions (RE2) know no look-ahead, say."""
    try:
        for sql in plan.aggregates:
            batch.database.execute(f"SELECT {sql} FROM {batch.source} LIMIT 0").fetchall()
    except duckdb.Error:
        return False
    return True


@dataclass(frozen=True)
class _Scan:
    source: str
    rows: int
    query: Query


def _scanned(batch: Batch, plans: Sequence[Plan]) -> list[Check]:
    scan = _Scan(batch.numbered, batch.rows, batch.query)
    wanted = list(dict.fromkeys(sql for plan in plans for sql in plan.aggregates))
    measured = dict(zip(wanted, scan.query(f"SELECT {', '.join(wanted)} FROM {batch.source}")[0], strict=True)) if wanted else {}
    return [plan.judge(scan, tuple(measured[sql] for sql in plan.aggregates)) for plan in plans]


def _by_chunk(rule: Expectation) -> bool:
    """Whether each row has an answer of its own, and the counts of two chunks add up."""
    return "mostly" in ARGUMENTS[rule.kind] and rule.kind not in _NOT_BY_CHUNK


def _chunked(name: str, batch: Batch, rules: Sequence[Expectation], runner: ExpectationRunner) -> list[Check]:
    if not rules:
        return []
    totals: list[list[Check]] = [[] for _ in rules]
    for at, rows in enumerate(batch.chunks(CHUNK_ROWS, _columns(rules))):
        for found, check in zip(totals, runner.check(f"{name}: rows {at}", rows, rules), strict=True):
            found.append(check)
    return [_sum(rule, batch.rows, found) for rule, found in zip(rules, totals, strict=True)]


def _columns(rules: Sequence[Expectation]) -> list[str] | None:
    """The columns to read; None, all of them, where a row condition may name any."""
    if any(_CONDITIONAL & set(rule.arguments) for rule in rules):
        return None
    return sorted({column for rule in rules for column in rule.columns})


def _schema(batch: Batch) -> pa.Table:
    return pa.table({name: pa.array([], pa.null()) for name in batch.types})


def _sum(rule: Expectation, rows: int, checks: Sequence[Check]) -> Check:
    broken = next((check.broken for check in checks if check.broken), "")
    sample = [value for check in checks for value in check.sample][:SAMPLE]
    total = counted(rule, rows, sum(check.judged for check in checks), sum(check.unexpected for check in checks), sample)
    return replace(total, success=False, broken=broken) if broken else total
