"""Plans for rules about a whole column or table: one figure against a range, or the values it holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from include.data.sql import literal
from include.row_rules.expectation import Expectation
from include.validation.column import Column
from include.validation.plan import SAMPLE, Plan, Scan, in_range, observing, plain
from include.validation.rank import nearest_ranks, ranked
from include.validation.verdict import Check

_MOMENTS = {
    "ExpectColumnMeanToBeBetween": "avg",
    "ExpectColumnSumToBeBetween": "sum",
    "ExpectColumnStdevToBeBetween": "stddev_samp",
}


def _extreme(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    if column.family not in {"number", "time"} or not column.holds(
        [rule.arguments.get("min_value"), rule.arguments.get("max_value")]
    ):
        return None
    name = "max" if rule.kind == "ExpectColumnMaxToBeBetween" else "min"
    return Plan((f"{name}({column.value})",), lambda scan, values: in_range(rule, values[0]))


def _moment(rule: Expectation, columns: list[Column]) -> Plan | None:
    """Mean, sum and standard deviation of the finite values, and the infinities beside them."""
    (column,) = columns
    if column.family != "number":
        return None
    value, function = column.value, _MOMENTS[rule.kind]
    real = f"isfinite(CAST({value} AS DOUBLE))"
    infinite = [f"count(*) FILTER (WHERE CAST({value} AS DOUBLE) = CAST('{sign}inf' AS DOUBLE))" for sign in ("", "-")]

    def judge(scan: Scan, values: tuple[Any, ...]) -> Check:
        del scan
        finite, plus, minus = values
        if plus or minus:
            return in_range(rule, _of_infinities(function, plus, minus))
        if finite is None:
            return in_range(rule, 0.0 if function == "sum" else None)
        return in_range(rule, float(finite))

    return Plan((f"{function}({value}) FILTER (WHERE {real})", *infinite), judge)


def _of_infinities(function: str, plus: int, minus: int) -> float:
    """A moment of values with so many infinities of each sign among them; at least one."""
    if (plus and minus) or function == "stddev_samp":
        return math.nan
    return math.inf if plus else -math.inf


def _share_present(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    aggregate = f"count(*) FILTER (WHERE {column.present})"
    return Plan((aggregate,), lambda scan, values: in_range(rule, values[0] / scan.rows if scan.rows else None))


def _distinct(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    if column.family == "other":
        return None

    def judge(scan: Scan, values: tuple[Any, ...]) -> Check:
        groups = f"(SELECT {column.value} AS v FROM {scan.source} WHERE {column.present} GROUP BY v)"
        distinct, present = scan.query(f"SELECT count(*) FROM {groups}")[0][0], values[0]
        if rule.kind == "ExpectColumnProportionOfUniqueValuesToBeBetween":
            return in_range(rule, distinct / present if present else 0.0)
        return in_range(rule, distinct)

    return Plan((f"count(*) FILTER (WHERE {column.present})",), judge)


def _members(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    wanted = list(dict.fromkeys(rule.arguments["value_set"]))
    if not wanted or not column.holds(wanted) or None in wanted:
        return None
    contains = rule.kind == "ExpectColumnDistinctValuesToContainSet"
    inside = f"v IN ({', '.join(literal(value) for value in wanted)})"

    def judge(scan: Scan, values: tuple[Any, ...]) -> Check:
        del values
        groups = f"(SELECT {column.value} AS v FROM {scan.source} WHERE {column.present} GROUP BY v)"
        within, outside = scan.query(f"SELECT count(*) FILTER ({inside}), count(*) FILTER (NOT {inside}) FROM {groups}")[0]
        met = {
            "ExpectColumnDistinctValuesToBeInSet": outside == 0,
            "ExpectColumnDistinctValuesToContainSet": within == len(wanted),
            "ExpectColumnDistinctValuesToEqualSet": outside == 0 and within == len(wanted),
        }[rule.kind]
        sql = f"SELECT v FROM {groups} WHERE NOT {inside} ORDER BY v LIMIT {SAMPLE}"
        others = [plain(row[0]) for row in scan.query(sql)] if outside and not contains else []
        check = observing(rule, met, {"of the set": within, "others": outside})
        # `unexpected` counts values here, not rows, as the library has it.
        return check if contains else replace(check, unexpected=outside, sample=tuple(others))

    return Plan((), judge)


def _quantiles(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    if column.family != "number" or rule.arguments.get("allow_relative_error", False) is not False:
        return None
    ranges = rule.arguments["quantile_ranges"]

    def judge(scan: Scan, values: tuple[Any, ...]) -> Check:
        if not values[0]:
            return observing(rule, False, None)
        ranks = nearest_ranks(ranges["quantiles"], values[0])
        found = [float(value) for value in ranked(scan.query, scan.source, column.value, ranks)]
        met = all(_close(value, low, high) for value, (low, high) in zip(found, ranges["value_ranges"], strict=True))
        return observing(rule, met, {"quantiles": list(ranges["quantiles"]), "values": found})

    return Plan((f"count(*) FILTER (WHERE {column.present})",), judge)


def _close(value: float, low: float | None, high: float | None) -> bool:
    """In the range, or within a ten-thousandth of one of its ends, as the library has it."""
    ends = (-math.inf if low is None else low, math.inf if high is None else high)
    near = any(abs(value - end) <= 1e-8 + 1e-4 * abs(end) for end in ends if math.isfinite(end) and math.isfinite(value))
    return near or ends[0] <= value <= ends[1]


def _median(rule: Expectation, columns: list[Column]) -> Plan | None:
    (column,) = columns
    if column.family != "number":
        return None

    def judge(scan: Scan, values: tuple[Any, ...]) -> Check:
        if not (count := values[0]):
            return in_range(rule, None)
        middle = sorted({(count - 1) // 2, count // 2})
        found = ranked(scan.query, scan.source, column.value, middle)
        return in_range(rule, sum(map(float, found)) / len(found))

    return Plan((f"count(*) FILTER (WHERE {column.present})",), judge)


def _row_count(rule: Expectation, columns: list[Column]) -> Plan | None:
    del columns
    if rule.kind == "ExpectTableRowCountToBeBetween":
        return Plan((), lambda scan, values: in_range(rule, scan.rows))
    return Plan((), lambda scan, values: observing(rule, scan.rows == rule.arguments["value"], scan.rows))


COLUMN_PLANS: Mapping[str, Callable[[Expectation, list[Column]], Plan | None]] = MappingProxyType(
    {
        "ExpectColumnMaxToBeBetween": _extreme,
        "ExpectColumnMinToBeBetween": _extreme,
        "ExpectColumnMeanToBeBetween": _moment,
        "ExpectColumnSumToBeBetween": _moment,
        "ExpectColumnStdevToBeBetween": _moment,
        "ExpectColumnMedianToBeBetween": _median,
        "ExpectColumnQuantileValuesToBeBetween": _quantiles,
        "ExpectColumnProportionOfNonNullValuesToBeBetween": _share_present,
        "ExpectColumnProportionOfUniqueValuesToBeBetween": _distinct,
        "ExpectColumnUniqueValueCountToBeBetween": _distinct,
        "ExpectColumnDistinctValuesToBeInSet": _members,
        "ExpectColumnDistinctValuesToContainSet": _members,
        "ExpectColumnDistinctValuesToEqualSet": _members,
        "ExpectTableRowCountToBeBetween": _row_count,
        "ExpectTableRowCountToEqual": _row_count,
    }
)
