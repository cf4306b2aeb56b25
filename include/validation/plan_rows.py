"""Plans for rules about each row: how many rows were judged, how many break the rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from include.data.columns import ROW
from include.data.sql import identifier, literal
from include.row_rules.expectation import Expectation
from include.row_rules.predicate import between, condition, sql_types
from include.validation.column import Column
from include.validation.plan import SAMPLE, Plan, Scan, counted
from include.validation.verdict import Check


def _of_rows(rule: Expectation, considered: str, good: str, shown: str) -> Plan:
    """`considered` and `good` are boolean SQL; the share of good rows among those considered decides."""
    bad = f"{considered} AND NOT ({good})"

    def judge(scan: Scan, values: tuple[Any, ...]) -> Check:
        judged, unexpected = values
        sql = f"SELECT {shown} FROM {scan.source} WHERE {bad} ORDER BY {ROW} LIMIT {SAMPLE}"
        sample = [row[0] if len(row) == 1 else list(row) for row in scan.query(sql)] if unexpected else []
        return counted(rule, scan.rows, judged, unexpected, sample)

    return Plan((f"count(*) FILTER (WHERE {considered})", f"count(*) FILTER (WHERE {bad})"), judge)


def _condition(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    given = [*rule.arguments.get("value_set", ()), rule.arguments.get("min_value"), rule.arguments.get("max_value")]
    if not column.holds(given):
        return None
    return _of_rows(rule, column.present, condition(rule), identifier(column.name))


def _pattern(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    return _of_rows(rule, column.present, condition(rule), identifier(column.name)) if column.family == "text" else None


def _missing(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    good = column.present if rule.kind == "ExpectColumnValuesToNotBeNull" else f"NOT {column.present}"
    return _of_rows(rule, "TRUE", good, identifier(column.name))


def _type(rule: Expectation, columns: list[Column]) -> Plan | None:
    """The type is the file's: it holds for all rows or for none."""
    (column,) = columns
    if column.family == "text":  # the library looks at each value of an object column
        return _of_rows(rule, column.present, str(column.type in sql_types(rule)).upper(), identifier(column.name))

    def judge(scan: Scan, values: tuple[Any, ...]) -> Check:
        del scan
        met = column.type in sql_types(rule)
        return Check(str(rule), column.name, rule.on_failure, met, observed=column.type)

    return Plan((), judge) if column.family != "other" else None


def _lengths(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    if column.family != "text":
        return None
    length, given = f"length({identifier(column.name)})", rule.arguments
    if rule.kind == "ExpectColumnValueLengthsToEqual":
        return _of_rows(rule, column.present, f"{length} = {literal(given['value'])}", identifier(column.name))
    return _of_rows(rule, column.present, between(length, given), identifier(column.name))


def _pair(rule: Expectation, columns: list[Column]) -> Plan | None:
    """Rows in which both are missing are not judged; one in which only one is breaks the rule."""
    first, second = columns
    if first.family != second.family or first.family not in {"number", "time"}:
        return None
    greater = ">=" if rule.arguments.get("or_equal") else ">"
    sign = "=" if rule.kind == "ExpectColumnPairValuesToBeEqual" else greater
    good = f"coalesce({first.value} {sign} {second.value}, FALSE)"
    shown = f"{identifier(first.name)}, {identifier(second.name)}"
    return _of_rows(rule, f"({first.present} OR {second.present})", good, shown)


def _unique(rule: Expectation, columns: list[Column]) -> Plan | None:
    """A key that is wholly missing is not judged; every row of a key that comes twice breaks the rule."""
    if any(column.family == "other" for column in columns):
        return None
    names = ", ".join(f"{column.value} AS k{at}" for at, column in enumerate(columns))
    keys = ", ".join(f"k{at}" for at in range(len(columns)))
    some = " OR ".join(column.present for column in columns)

    def judge(scan: Scan, values: tuple[Any, ...]) -> Check:
        del values
        groups = f"(SELECT {keys}, count(*) AS n FROM (SELECT {names} FROM {scan.source} WHERE {some}) GROUP BY {keys})"
        judged, unexpected = scan.query(f"SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (n > 1), 0) FROM {groups}")[0]
        sql = f"SELECT {keys} FROM {groups} WHERE n > 1 ORDER BY {keys} LIMIT {SAMPLE}"
        sample = [row[0] if len(row) == 1 else list(row) for row in scan.query(sql)] if unexpected else []
        return counted(rule, scan.rows, int(judged), int(unexpected), sample)

    return Plan((), judge)


ROW_PLANS: Mapping[str, Callable[[Expectation, list[Column]], Plan | None]] = MappingProxyType(
    {
        "ExpectColumnValuesToBeBetween": _condition,
        "ExpectColumnValuesToBeInSet": _condition,
        "ExpectColumnValuesToNotBeInSet": _condition,
        "ExpectColumnValuesToMatchRegex": _pattern,
        "ExpectColumnValuesToNotMatchRegex": _pattern,
        "ExpectColumnValuesToNotBeNull": _missing,
        "ExpectColumnValuesToBeNull": _missing,
        "ExpectColumnValuesToBeOfType": _type,
        "ExpectColumnValuesToBeInTypeList": _type,
        "ExpectColumnValueLengthsToBeBetween": _lengths,
        "ExpectColumnValueLengthsToEqual": _lengths,
        "ExpectColumnPairValuesAToBeGreaterThanB": _pair,
        "ExpectColumnPairValuesToBeEqual": _pair,
        "ExpectColumnValuesToBeUnique": _unique,
        "ExpectCompoundColumnsToBeUnique": _unique,
    }
)
