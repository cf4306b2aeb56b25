from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from include.core.adapters import adapter
from include.row_rules.expectation import Expectation
from include.validation.plan import plain
from tests.support.later import Later

library = Later("include.backends.great_expectations.expectations")
TABLE = pa.table({"x": [1.0, 2.0, None], "i": pa.array([2**53 + 1, None, 3], pa.int64()), "s": ["a", "b", "c"]})


def test_the_port_is_registered() -> None:
    assert adapter("expectations") is library.open_expectations


def test_checks_come_back_in_the_order_of_the_rules() -> None:
    rules = [
        Expectation("ExpectTableRowCountToBeBetween", min_value=3),
        Expectation("ExpectColumnValuesToBeInSet", column="s", value_set=["a"], on_failure="quarantine"),
        Expectation("ExpectColumnToExist", column="gone", on_failure="warn"),
        Expectation("ExpectColumnValuesToBeBetween", column="i", max_value=10),
    ]
    checks = library.open_expectations().check("t", TABLE, rules)
    assert [check.expectation for check in checks] == [str(rule) for rule in rules]
    assert [check.success for check in checks] == [True, False, False, False]
    assert [check.unexpected for check in checks] == [0, 2, 0, 1]
    assert checks[1].percent == pytest.approx(66.667)
    assert checks[1].sample == ("b", "c")
    assert checks[3].sample == (2**53 + 1,)  # not 9007199254740992


def test_one_runner_judges_many_batches() -> None:
    runner = library.open_expectations()
    rule = [Expectation("ExpectColumnValuesToNotBeNull", column="x")]
    assert [runner.check(name, TABLE, rule)[0].unexpected for name in ("a", "b")] == [1, 1]
    assert runner.check("c", TABLE, []) == []


def test_a_numpy_boolean_inside_a_result_is_plain_json() -> None:
    ranges = {"quantiles": [0.5], "value_ranges": [[1, 2]]}
    rule = Expectation("ExpectColumnQuantileValuesToBeBetween", column="x", quantile_ranges=ranges)
    (check,) = library.open_expectations().check("t", TABLE, [rule])
    assert check.success is True
    assert json.loads(json.dumps(check.observed))["quantiles"] == [0.5]


def test_two_rules_about_quantiles_of_one_column_get_their_own_values() -> None:
    """The library gives both the values of one of them."""

    def rule(*shares: float) -> Expectation:
        ranges = {"quantiles": [*shares], "value_ranges": [[0, 9]] * len(shares)}
        return Expectation("ExpectColumnQuantileValuesToBeBetween", column="x", quantile_ranges=ranges)

    rules = [rule(1.0), Expectation("ExpectTableRowCountToBeBetween", min_value=3), rule(0.0), rule(0.0, 1.0)]
    observed = [check.observed for check in library.open_expectations().check("t", TABLE, rules)]
    assert [each["values"] for each in (observed[0], *observed[2:])] == [[2.0], [1.0], [1.0, 2.0]]
    assert observed[1] == 3


def test_an_exception_inside_an_expectation_is_distinguished_from_bad_data() -> None:
    rules = [
        Expectation("ExpectColumnValuesToBeBetween", column="s", min_value=1),
        Expectation("ExpectColumnValuesToBeBetween", column="x", min_value=5),
    ]
    broken, bad = library.open_expectations().check("t", TABLE, rules)
    assert "must either be None or of the same type" in broken.broken
    assert (bad.broken, bad.success) == ("", False)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^A$", "A", True),
        ("^A$", "A\n", False),
        (r"A\$", "A$", True),
        ("[$]", "$", True),
        (r"[\]$]", "$", True),
        (r"\d", "٣", False),
        (r"\\$", "\\", True),
    ],
)
def test_a_pattern_is_read_as_sql_reads_it(pattern: str, text: str, matches: bool) -> None:
    assert bool(re.search(library.strict_regex(pattern), text)) is matches


def test_a_frame_keeps_integers_and_drops_zones() -> None:
    table = TABLE.append_column("t", pa.array([datetime(2013, 1, 1, tzinfo=UTC)] * 3, pa.timestamp("us", "America/New_York")))
    made = library.frame(table)
    assert str(made["i"].dtype) == "Int64"
    assert made["i"][0] == 2**53 + 1
    assert made["t"].dt.tz is None
    assert made["t"][0] == pd.Timestamp(table["t"][0].as_py()).tz_convert("UTC").tz_localize(None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.bool_(True), True),
        (np.int64(3), 3),
        (float("nan"), None),
        (float("inf"), "inf"),
        (np.float64("nan"), None),
        (pd.Timestamp("2013-01-01"), "2013-01-01T00:00:00"),
        (date(2013, 1, 1), "2013-01-01"),
        ({1: (np.float64(2.5), {3})}, {"1": [2.5, [3]]}),
        (b"x", "b'x'"),
        (pd.NA, "<NA>"),
    ],
)
def test_any_value_becomes_json(value: object, expected: object) -> None:
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)
