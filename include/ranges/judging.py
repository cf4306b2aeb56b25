"""A day's verdict from what one scan of many days has measured, where that is plain: every rule answered, no row set aside.

The same checks as great_expectations gives (tests hold every plan to that), in a hundredth of the time: the library takes
half a second of bookkeeping for a day's rules. Where a rule is one whose figure SQL and the library may round or word
differently, the step itself judges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from include.core.partition import Partition
from include.core.request import Outcome
from include.core.spec import PartitionOwner
from include.core.task import Task
from include.data.columns import Types, canonical
from include.data.session import open_session
from include.ranges.stretch import FILE, NotPlain, Source
from include.row_rules.expectation import Expectation, Suite, load_suite
from include.validation.batch import Batch, open_database
from include.validation.column import Column
from include.validation.page import verdict_page
from include.validation.plan import Plan, counted
from include.validation.plan_columns import COLUMN_PLANS
from include.validation.plan_rows import ROW_PLANS
from include.validation.port import open_expectations
from include.validation.scan import WHOLE_ROWS, scan_batch
from include.validation.validate_step import judge
from include.validation.verdict import Check, SourceVerdict, refuse_broken, verdict_value

CONDITIONAL = {"row_condition", "condition_parser", "ignore_row_if"}
UNIQUE = ("ExpectColumnValuesToBeUnique", "ExpectCompoundColumnsToBeUnique")
TYPE = ("ExpectColumnValuesToBeOfType", "ExpectColumnValuesToBeInTypeList")
# Of rules about a whole column: figures that are counts, or a quotient of two. A mean is rounded otherwise by each library.
FIGURES = ("ExpectColumnProportionOfNonNullValuesToBeBetween", "ExpectTableRowCountToBeBetween", "ExpectTableRowCountToEqual")
# What the library says it saw where it asks for a column's type: NumPy's name.
NUMPY = {
    "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64", "UTINYINT": "uint8", "USMALLINT": "uint16",
    "UINTEGER": "uint32", "UBIGINT": "uint64", "DOUBLE": "float64", "TIMESTAMP": "datetime64", "BOOLEAN": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class _Rule:
    """A rule, what it needs measured, and how it is judged."""

    rule: Expectation
    plan: Plan | None  # None: uniqueness
    aggregates: tuple[str, ...]


class Judge:
    """Of one model's sources: which aggregates to measure, and the verdict that follows from them."""

    def __init__(self, spec: PartitionOwner) -> None:
        self.suites = {source: load_suite(spec.expectations, source) for source in spec.data.sources}
        self._rules: dict[tuple[str, tuple[tuple[str, str], ...]], list[_Rule] | None] = {}
        self._empty: dict[tuple[str, tuple[tuple[str, str], ...]], SourceVerdict] = {}

    def aggregates(self, source: str, types: Types) -> list[str]:
        """SQL to be worked out for each file of a source with these columns; none where its rules are not plain."""
        rules = self._plain(source, types)
        return list(dict.fromkeys(sql for each in rules or () for sql in each.aggregates))

    def judge(self, task: Task, sources: Mapping[str, Source]) -> Outcome:
        """The outcome of `include.validation.validate_step:run`. Raises NotPlain where the step itself is to judge."""
        day, wanted = Partition.read(task.params), task.params["sources"]
        verdicts, files = dict[str, SourceVerdict](), dict[str, Path]()
        for name in sorted(wanted):
            quarantine = task.workdir / f"quarantine-{name}.parquet"
            verdicts[name] = self._verdict(sources.get(name), name, day, wanted[name], quarantine)
            if quarantine.exists():
                files[quarantine.name] = quarantine
        value = verdict_value(day.name, verdicts)
        page = files["docs.html"] = task.workdir / "docs.html"
        page.write_text(verdict_page(f"{task.request.model}: data of {day}", value))
        return Outcome(value, files)

    def _verdict(self, source: Source | None, name: str, day: Partition, digest: str, quarantine: Path) -> SourceVerdict:
        if source is None:
            raise NotPlain
        found = source.partitions.get(day)
        rules = self._plain(name, source.types)
        if found is None or found.digest != digest or rules is None or found.rows > WHOLE_ROWS:
            raise NotPlain
        if not found.rows:
            return self._without_rows(Batch(f"{name} of {day}", found.path, open_database()), name, source.types, quarantine)
        values = {sql: found.facts[sql] for each in rules for sql in each.aggregates}
        checks = [_check(each, found.rows, values) for each in rules] if found.clean == found.rows else None
        if checks is None or any(check is None for check in checks):
            return self._with_offences(Batch(f"{name} of {day}", found.path, open_database()), name, rules, quarantine)
        return SourceVerdict.of(found.rows, 0, [check for check in checks if check is not None], self.suites[name])

    def _without_rows(self, batch: Batch, name: str, types: Types, quarantine: Path) -> SourceVerdict:
        """As the library judges no rows of these columns: asked once. Of what is finer than a day many have none."""
        key = name, tuple(types.items())
        if key not in self._empty:
            self._empty[key] = judge(name, batch, self.suites[name], open_expectations(), quarantine)
        return self._empty[key]

    def _with_offences(self, batch: Batch, name: str, rules: Sequence[_Rule], quarantine: Path) -> SourceVerdict:
        """As the step does it, by the plans alone: the file is asked which rows they are, and they are set aside."""
        found = scan_batch(name, batch, self.suites[name].rules, _NoLibrary())
        checks = [_observed(check, each.rule) for check, each in zip(found, rules, strict=True)]
        if any(check.unexpected and _worded(each.rule, batch) for check, each in zip(found, rules, strict=True)):
            raise NotPlain
        refuse_broken(batch.name, checks)
        return SourceVerdict.of(batch.rows, batch.quarantine(self.suites[name].rules, quarantine), checks, self.suites[name])

    def _plain(self, source: str, types: Types) -> list[_Rule] | None:
        """The rules of a source with these columns; None if one of them is for the library."""
        key = source, tuple(types.items())
        if key not in self._rules:
            self._rules[key] = _rules(self.suites[source], types)
        return self._rules[key]


def _rules(suite: Suite, types: Types) -> list[_Rule] | None:
    seen = {name: canonical(type_) for name, type_ in types.items()}
    try:
        with open_session() as connection:
            batch = Batch("", Path(), connection)
            batch.__dict__["stored"] = dict(types)  # instead of a file
            batch.check_schema(suite.rules)
            columns = ", ".join(f'CAST(NULL AS {type_}) AS "{name}"' for name, type_ in seen.items())
            found = [_plain_rule(rule, seen) for rule in suite.rules]
            for sql in {sql for each in found if each for sql in each.aggregates}:
                connection.execute(f"SELECT {sql} FROM (SELECT {columns}, '' AS {FILE}, 0 AS __slipstream_row)")
    except Exception:  # noqa: BLE001 - whatever the rules are, the step says what is wrong with them
        return None
    return None if None in found else [each for each in found if each is not None]


def _plain_rule(rule: Expectation, types: Mapping[str, str]) -> _Rule | None:
    if CONDITIONAL & set(rule.arguments) or rule.kind not in (*ROW_PLANS, *FIGURES):
        return None
    columns = [Column(name, types[name]) for name in rule.columns]
    if rule.kind in UNIQUE:
        if rule.on_failure != "quarantine" or any(column.family == "other" for column in columns):
            return None  # whether a key came twice is known where such rows are set aside
        present = " OR ".join(column.present for column in columns)
        return _Rule(rule, None, (f"count(*) FILTER (WHERE {present})",))
    plan = {**ROW_PLANS, **COLUMN_PLANS}[rule.kind](rule, columns)
    return None if plan is None else _Rule(rule, plan, plan.aggregates)


@dataclass(frozen=True)
class _Measured:
    """What a plan may ask for here: its aggregates are known, and more is asked where rows offend."""

    rows: int
    source: str = ""

    def query(self, sql: str) -> NoReturn:
        del sql
        raise _Asked


def _worded(rule: Expectation, batch: Batch) -> bool:
    """Whether the library shows rows against the rule in words or an order of its own: moments, and keys that come twice."""
    return rule.kind in UNIQUE or any(Column(name, batch.types[name]).family == "time" for name in rule.columns)


class _Asked(Exception):
    pass


class _NoLibrary:
    """Stands for the library where none of the rules is for it."""

    def check(self, name: str, table: pa.Table, rules: Sequence[Expectation]) -> list[Check]:
        del name, table
        if rules:
            raise NotPlain
        return []


def _check(each: _Rule, rows: int, values: Mapping[str, Any]) -> Check | None:
    """None where rows are against the rule."""
    given = tuple(values[sql] for sql in each.aggregates)
    if each.plan is None:
        return counted(each.rule, rows, int(given[0]), 0, ())
    try:
        return _observed(each.plan.judge(_Measured(rows), given), each.rule)
    except _Asked:
        return None


def _observed(check: Check, rule: Expectation) -> Check:
    """With the library's word for a column's type."""
    if rule.kind not in TYPE or check.observed is None:
        return check
    return replace(check, observed=NUMPY[str(check.observed)])
