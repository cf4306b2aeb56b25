"""A partition judged by one scan has the verdict that great_expectations gives on the whole frame."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.errors import DataError
from include.row_rules.expectation import Expectation
from include.validation import scan
from include.validation.batch import Batch, open_database
from include.validation.scan import check_batch, make_plan, scan_batch
from include.validation.verdict import Check
from tests.support.effort import effort

DAY = datetime.fromisoformat("2013-01-01T00:00")
TIMES = [DAY.replace(hour=hour) for hour in (0, 1, 12, 23)]
numbers = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0, 2.5, -3.0, math.nan, math.inf, -math.inf]), st.floats(-9, 9))
integers = st.one_of(st.none(), st.integers(-3, 3))
texts = st.one_of(st.none(), st.sampled_from(["AA", "A", "", "é", "nan", "A1", "AA\n"]))
times = st.one_of(st.none(), st.sampled_from(TIMES))
KINDS = {"x": (numbers, pa.float64()), "y": (numbers, pa.float64()), "i": (integers, pa.int64()), "j": (integers, pa.int64()),
         "s": (texts, pa.string()), "t": (times, pa.timestamp("us")), "u": (times, pa.timestamp("us"))}  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 9))
    return pa.table({name: pa.array(draw(st.lists(v, min_size=rows, max_size=rows)), t) for name, (v, t) in KINDS.items()})


def ranged(kind: str, columns: str, bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Expectation]:
    """A rule whose figure must lie between two bounds, one of which may be open."""
    return st.builds(
        lambda column, ends, strict, side: Expectation(
            kind, column=column, **dict(list(zip(("min_value", "max_value"), sorted(ends), strict=True))[side]), **strict
        ),
        st.sampled_from(columns),
        st.tuples(bounds, bounds),
        st.fixed_dictionaries({"strict_min": st.booleans(), "strict_max": st.booleans()}),
        st.sampled_from([slice(0, 2), slice(0, 1), slice(1, 2)]),
    )


def rows_of(kind: str, columns: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Expectation]:
    return st.builds(
        lambda column, mostly, rest: Expectation(kind, column=column, mostly=mostly, **rest),
        st.sampled_from(columns),
        st.sampled_from([1, 0.5, 0.75]),
        st.fixed_dictionaries(arguments),
    )


small, share = st.sampled_from([-3, -1.5, 0, 1, 2.5, 3]), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
value_sets = st.sampled_from(
    [("i", [0, 1]), ("i", [-3, -2, -1, 0, 1, 2, 3]), ("x", [0.0, 1.0]), ("s", ["AA", "A"]), ("s", ["nan", ""])]
)
pairs = st.sampled_from(["xy", "tu"])
rules = st.one_of(
    *(ranged(f"ExpectColumn{name}ToBeBetween", "xi", small) for name in ("Mean", "Median", "Min", "Max", "Sum")),
    ranged("ExpectColumnStdevToBeBetween", "xi", st.sampled_from([0, 0.5, 1, 2, 4])),
    ranged("ExpectColumnMaxToBeBetween", "t", st.sampled_from(TIMES)),
    ranged("ExpectColumnProportionOfNonNullValuesToBeBetween", "xist", share),
    ranged("ExpectColumnProportionOfUniqueValuesToBeBetween", "xist", share),
    ranged("ExpectColumnUniqueValueCountToBeBetween", "xist", st.integers(0, 5)),
    rows_of("ExpectColumnValuesToBeUnique", "xist"),
    rows_of("ExpectColumnValuesToNotBeNull", "xist"),
    rows_of("ExpectColumnValuesToBeBetween", "xi", min_value=small),
    rows_of("ExpectColumnValueLengthsToEqual", "s", value=st.integers(0, 2)),
    rows_of("ExpectColumnValueLengthsToBeBetween", "s", min_value=st.integers(0, 2)),
    rows_of("ExpectColumnValuesToMatchRegex", "s", regex=st.sampled_from(["^A", "^[A-Z]{2}$", "(?=A)"])),
    rows_of("ExpectColumnValuesToMatchRegexList", "s", regex_list=st.just(["^A", "^n"])),
    rows_of("ExpectColumnValueZScoresToBeLessThan", "i", threshold=st.just(1.0), double_sided=st.booleans()),
    st.builds(lambda column: Expectation("ExpectColumnValuesToBeOfType", column=column, type_="float64"), st.sampled_from("xi")),
    st.builds(
        lambda kind, pick: Expectation(f"ExpectColumnDistinctValuesTo{kind}Set", column=pick[0], value_set=pick[1]),
        st.sampled_from(["BeIn", "Contain", "Equal"]), value_sets,
    ),
    st.builds(lambda keys: Expectation("ExpectCompoundColumnsToBeUnique", column_list=[*keys]), st.sampled_from(["is", "xi"])),
    st.builds(
        lambda pair, rest: Expectation("ExpectColumnPairValuesAToBeGreaterThanB", column_A=pair[0], column_B=pair[1], **rest),
        pairs, st.fixed_dictionaries({"or_equal": st.booleans()}),
    ),
    st.builds(lambda pair: Expectation("ExpectColumnPairValuesToBeEqual", column_A=pair[0], column_B=pair[1]), pairs),
    st.builds(
        lambda column, shares: Expectation(
            "ExpectColumnQuantileValuesToBeBetween", column=column,
            quantile_ranges={"quantiles": shares, "value_ranges": [[-1, 2], [None, 2]]},
        ),
        st.sampled_from("xi"), st.sampled_from([[0.5, 0.9], [0.1, 0.25], [0.0, 1.0]]),
    ),
    st.builds(lambda low: Expectation("ExpectTableRowCountToBeBetween", min_value=low), st.integers(0, 9)),
    st.just(Expectation("ExpectTableColumnsToMatchSet", column_set=list(KINDS))),
    st.just(Expectation("ExpectColumnToExist", column="gone")),
)  # fmt: skip


@pytest.fixture(scope="module")
def library() -> Any:
    from include.backends.great_expectations.expectations import GreatExpectations

    return GreatExpectations()


counter = iter(range(10**9))


def judged(check: Check) -> tuple[str, bool, int, bool]:
    if "NAType" in check.broken:  # the library stumbles over the quantile of integers that are all missing; we call it unmet
        return check.expectation, False, 0, False
    return check.expectation, check.success, check.unexpected, bool(check.broken)


@pytest.mark.thorough
@settings(
    max_examples=effort(15, 50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(table=tables(), drawn=st.lists(rules, min_size=1, max_size=12, unique_by=str))
def test_the_scan_and_the_library_agree(
    table: pa.Table, drawn: list[Expectation], tmp_path: Path, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "CHUNK_ROWS", 3)
    pq.write_table(table, path := tmp_path / "t.parquet")
    batch = Batch("t", path, open_database())
    whole = library.check(f"whole {next(counter)}", table, drawn)
    scanned = scan_batch(f"scan {next(counter)}", batch, drawn, library)
    for expected, found in zip(whole, scanned, strict=True):
        assert judged(found) == judged(expected), (found, expected)


def test_what_sql_cannot_answer_alike_is_left_to_the_library(tmp_path: Path) -> None:
    pq.write_table(pa.table({"s": ["A"], "f": pa.array([1.0], pa.float32())}), path := tmp_path / "t.parquet")
    batch = Batch("t", path, open_database())
    left = [
        Expectation("ExpectColumnValuesToMatchRegex", column="s", regex="(?=A)"),  # RE2 has no look-ahead
        Expectation("ExpectColumnValuesToBeBetween", column="s", min_value=1),  # text between numbers: broken, says the library
        Expectation("ExpectColumnValuesToBeBetween", column="f", min_value=0.1),  # single precision in pandas
        Expectation("ExpectColumnMeanToBeBetween", column="f", min_value=0, row_condition="f > 0", condition_parser="pandas"),
    ]
    assert [make_plan(rule, batch) for rule in left] == [None] * 4


def test_a_broken_rule_is_broken_in_a_large_partition_too(tmp_path: Path, library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "WHOLE_ROWS", 10)
    pq.write_table(pa.table({"s": ["A"] * 40}), path := tmp_path / "t.parquet")
    rule = Expectation("ExpectColumnValuesToBeBetween", column="s", min_value=1)
    (check,) = check_batch("broken", Batch("t", path, open_database()), [rule], library)
    assert "must either be None or of the same type" in check.broken
    assert not check.success


def test_pages_that_cannot_be_read_are_bad_data(tmp_path: Path, library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "WHOLE_ROWS", 10)
    pq.write_table(pa.table({"i": list(range(5000))}), path := tmp_path / "t.parquet", compression="zstd")
    body = bytearray(path.read_bytes())
    body[4:400] = bytes(range(99)) * 4
    path.write_bytes(bytes(body))
    rule = Expectation("ExpectColumnMeanToBeBetween", column="i", min_value=0)
    with pytest.raises(DataError, match="cannot be read"):
        check_batch("torn", Batch("t", path, open_database()), [rule], library)
