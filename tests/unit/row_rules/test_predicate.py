"""SQL and great_expectations must give the same verdict on every row."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.errors import SpecError
from include.row_rules.expectation import Expectation, columns
from include.row_rules.predicate import good_rows, literal, predicate, predicates
from include.validation.batch import open_database
from tests.support.effort import effort
from tests.support.later import Later

gx, library = Later("great_expectations"), Later("include.backends.great_expectations.expectations")
REFERENCE = f"{__name__}:EXPECTATIONS"
TEXTS = ["AA", "A", "aa", "A1", "AA\n", "\nAA", "É1", "٣٣", "nan", "", " ", "O'Hare", "$", "A$"]
REGEXES = ["^[A-Z]{2}$", "A", r"^\w+$", r"\d", "^$", "A|É", r"\$$", "[$]", "^.$", "O'"]
TIMES = [datetime.fromisoformat(f"2013-01-01T{clock}") for clock in ("00:00", "00:59", "12:00", "23:59", "23:59:59.999999")]

EXPECTATIONS: dict[str, tuple[Expectation, ...]] = {
    "flights": (
        *columns(distance="number"),
        Expectation("ExpectColumnValuesToBeBetween", column="distance", min_value=1, on_failure="quarantine"),
        Expectation("ExpectColumnValuesToNotBeNull", column="carrier", on_failure="warn"),
        Expectation("ExpectColumnValuesToBeUnique", column="id", on_failure="quarantine"),
    ),
    "loose": (Expectation("ExpectColumnValuesToNotBeNull", column="carrier", on_failure="stop"),),
}


def rule(kind: str, **arguments: Any) -> Expectation:
    return Expectation(kind, on_failure="quarantine", **arguments)


def broken_by_sql(path: Path, expectation: Expectation) -> set[int]:
    query = f"SELECT file_row_number FROM '{path}' WHERE NOT {predicate(expectation)}"
    return {row[0] for row in open_database().sql(query).fetchall()}


def broken_by_library(table: pa.Table, rules: list[Expectation]) -> list[set[int] | bool]:
    """Indices of the unexpected rows; for a rule on a whole column's type, only whether it holds."""
    suite = gx.ExpectationSuite(name="s", expectations=[library.build(r, at) for at, r in enumerate(rules)])
    asset = gx.get_context(mode="ephemeral").data_sources.add_pandas("p").add_dataframe_asset("a")
    batch = asset.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": library.frame(table)})
    results = batch.validate(suite, result_format="COMPLETE").results
    answers: dict[int, set[int] | bool] = {}
    for result in results:
        assert not result.exception_info.get("raised_exception"), result.exception_info
        indices = result.result.get("unexpected_index_list", result.success)
        answers[result.expectation_config.meta["rule"]] = indices if isinstance(indices, bool) else set(indices)
    return [answers[at] for at in range(len(rules))]


numbers = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 1.0, 2.5, math.nan, -math.nan]))
integers = st.one_of(st.none(), st.integers(-5, 5), st.sampled_from([2**53 + 1, -(2**62)]))
texts = st.one_of(st.none(), st.sampled_from(TEXTS), st.text(max_size=3).filter(lambda text: "\x00" not in text))
times = st.one_of(st.none(), st.sampled_from(TIMES))
flags = st.one_of(st.none(), st.booleans())


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 12))
    kinds = {"x": (numbers, pa.float64()), "i": (integers, pa.int64()), "s": (texts, pa.string()),
             "t": (times, pa.timestamp("us")), "b": (flags, pa.bool_())}  # fmt: skip
    return pa.table({name: pa.array(draw(st.lists(v, min_size=rows, max_size=rows)), t) for name, (v, t) in kinds.items()})


@st.composite
def between(draw: st.DrawFn) -> Expectation:
    column, bounds = draw(st.sampled_from([("x", st.floats(-10, 10)), ("i", st.integers(-6, 6)), ("t", st.sampled_from(TIMES))]))
    low, high = sorted([draw(bounds), draw(bounds)])
    given = draw(st.sampled_from([{"min_value": low}, {"max_value": high}, {"min_value": low, "max_value": high}]))
    return rule(
        "ExpectColumnValuesToBeBetween", column=column, **given, strict_min=draw(st.booleans()), strict_max=draw(st.booleans())
    )


sets = st.one_of(
    st.tuples(st.just("s"), st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4)),
    st.tuples(st.just("i"), st.lists(st.integers(-5, 5), min_size=1, max_size=4)),
    st.tuples(st.just("x"), st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=1, max_size=3)),
    st.tuples(st.just("b"), st.sampled_from([[True], [False], [0, 1]])),
)
kinds = ["str", "int64", "float64", "bool", "datetime64"]

row_rules = st.one_of(
    between(),
    st.builds(lambda kind, pick: rule(kind, column=pick[0], value_set=pick[1]),
              st.sampled_from(["ExpectColumnValuesToBeInSet", "ExpectColumnValuesToNotBeInSet"]), sets),
    st.builds(lambda kind, regex: rule(kind, column="s", regex=regex),
              st.sampled_from(["ExpectColumnValuesToMatchRegex", "ExpectColumnValuesToNotMatchRegex"]), st.sampled_from(REGEXES)),
    st.builds(lambda kind, column: rule(kind, column=column),
              st.sampled_from(["ExpectColumnValuesToNotBeNull", "ExpectColumnValuesToBeNull"]), st.sampled_from("xistb")),
)  # fmt: skip

slow = settings(
    max_examples=effort(10, 40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@slow
@given(table=tables(), rules=st.lists(row_rules, min_size=1, max_size=8, unique_by=str))
def test_a_row_rule_breaks_on_the_same_rows_in_both(table: pa.Table, rules: list[Expectation], tmp_path: Path) -> None:
    pq.write_table(table, path := tmp_path / "t.parquet")
    for expectation, unexpected in zip(rules, broken_by_library(table, rules), strict=True):
        assert broken_by_sql(path, expectation) == unexpected, expectation


@slow
@given(table=tables(), column=st.sampled_from("xistb"), allowed=st.sets(st.sampled_from(kinds), min_size=1))
def test_a_type_rule_holds_in_both_or_in_neither(table: pa.Table, column: str, allowed: set[str], tmp_path: Path) -> None:
    pq.write_table(table, path := tmp_path / "t.parquet")
    rules = [rule("ExpectColumnValuesToBeInTypeList", column=column, type_list=sorted(allowed))]
    rules += [rule("ExpectColumnValuesToBeOfType", column=column, type_=name) for name in sorted(allowed)]
    for expectation, answer in zip(rules, broken_by_library(table, rules), strict=True):
        broken = broken_by_sql(path, expectation)
        present = sum(value is not None and value == value for value in table[column].to_pylist())
        if present:  # a column without any value has no type in pandas
            assert broken == answer if isinstance(answer, set) else bool(broken) != answer, expectation


@slow
@given(table=tables(), keys=st.sampled_from([("s",), ("i",), ("x",), ("s", "i")]))
def test_all_but_the_first_of_the_librarys_duplicates_are_dropped(table: pa.Table, keys: tuple[str, ...], tmp_path: Path) -> None:
    one = rule("ExpectColumnValuesToBeUnique", column=keys[0])
    expectation = one if len(keys) == 1 else rule("ExpectCompoundColumnsToBeUnique", column_list=list(keys))
    numbered = table.append_column("row", pa.array(range(table.num_rows)))
    pq.write_table(numbered, path := tmp_path / "t.parquet")
    EXPECTATIONS["drawn"] = (expectation,)
    kept = {row[0] for row in duckdb.sql(f"SELECT row FROM ({good_rows(REFERENCE, 'drawn', [str(path)])})").fetchall()}
    (duplicates,) = broken_by_library(table, [expectation])
    assert isinstance(duplicates, set)
    seen: set[tuple[object, ...]] = set()
    firsts = set()
    for at in sorted(duplicates):
        key = tuple(None if isinstance(v, float) and math.isnan(v) else v for v in (table[name][at].as_py() for name in keys))
        firsts |= set() if key in seen else {at}
        seen.add(key)
    assert kept == set(range(table.num_rows)) - (duplicates - firsts)


def test_only_quarantine_rules_count() -> None:
    assert predicates(REFERENCE, "loose") == "TRUE"
    assert predicates(REFERENCE, "unnamed") == "TRUE"
    assert '"distance" >= 1' in predicates(REFERENCE, "flights")
    assert "carrier" not in predicates(REFERENCE, "flights")


def test_good_rows_judges_each_partition_by_itself(tmp_path: Path) -> None:
    for day, ids in (("date=2013-01-01", [1, 1, 2]), ("date=2013-01-02", [1, 3, 3])):
        (tmp_path / day).mkdir()
        table = pa.table({"id": ids, "distance": [5.0, 6.0, 0.0], "carrier": ["AA", None, "B6"]})
        pq.write_table(table, tmp_path / day / "part.parquet")
    files = sorted(str(path) for path in tmp_path.rglob("*.parquet"))
    both = duckdb.sql(good_rows(REFERENCE, "flights", files) + " ORDER BY ALL")
    assert both.columns == ["id", "distance", "carrier"]  # no column out of a folder's name
    each = [row for file in files for row in duckdb.sql(good_rows(REFERENCE, "flights", [file])).fetchall()]
    assert both.fetchall() == sorted(each) == [(1, 5.0, "AA"), (1, 5.0, "AA"), (3, 6.0, None)]


def test_a_value_in_a_rule_cannot_leave_its_literal() -> None:
    assert duckdb.sql(f"SELECT {literal(chr(39) + ' OR TRUE --')}").fetchall() == [("' OR TRUE --",)]
    with pytest.raises(SpecError, match="text, numbers"):
        literal(object())


def test_a_type_that_parquet_does_not_have_is_refused() -> None:
    with pytest.raises(SpecError, match="'complex128' has no type in a Parquet file"):
        predicate(rule("ExpectColumnValuesToBeOfType", column="x", type_="complex128"))


def test_a_missing_number_beside_a_bad_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB's statistics of a Parquet column leave NaN out: all of it seemed to be below zero."""
    rule = Expectation("ExpectColumnValuesToBeBetween", column="x", min_value=0.0, on_failure="quarantine")
    monkeypatch.setattr("include.row_rules.predicate.quarantine_rules", lambda reference, source: [rule])
    pq.write_table(pa.table({"x": [float("nan"), -1.0]}), tmp_path / "part.parquet")
    kept = open_database().sql(good_rows("any:SUITE", "any", [str(tmp_path / "part.parquet")])).fetchall()
    assert len(kept) == 1
    assert kept[0][0] != kept[0][0]
