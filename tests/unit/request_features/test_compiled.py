"""The compiled function against DuckDB: the operators and functions one by one, and trees of them that chance makes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.request_features.expressions import LISTED, listed
from include.core.errors import SpecError
from include.core.expression.functions import ALIKE, COMPARISONS, SIGNATURES, TESTS
from include.core.expression.parser import parse
from include.core.expression.tree import Call, walk
from include.core.spec import Feature, Features
from include.data.session import open_session
from include.request_features.compiled import compiled
from include.request_features.definition import RequestFeatures
from include.request_features.parity import by_duckdb, difference, generated
from include.request_features.reading import check_reading
from tests.support.effort import effort
from tests.support.expressions import computed, features, wanted

AT = datetime.fromisoformat("2024-02-29T23:59:59.999999")


def test_every_operator_and_function_gives_duckdbs_bits() -> None:
    """All expressions over the same rows, in one query: what a session costs is paid once."""
    whole = RequestFeatures.of(listed())
    assert whole is not None
    rows = generated(whole.given, effort(400, 20_000))
    assert difference(whole, compiled(whole.expressions, whole.features), rows) == ""


def test_all_that_is_on_the_list_is_looked_at() -> None:
    whole = RequestFeatures.of(listed())
    assert whole is not None
    trees = [node for each in whole.expressions for node in walk(each.node)]
    used = {node.name for node in trees if isinstance(node, Call)}
    assert used >= {*SIGNATURES, *ALIKE, *TESTS, *COMPARISONS, "between"}


def test_duckdb_reads_every_text_as_it_is_read_here() -> None:
    with open_session(1) as connection:
        for expression in LISTED:
            check_reading(connection, "out", expression)
        with pytest.raises(SpecError, match="DuckDB reads the expression of 'out' otherwise"):
            check_reading(connection, "out", "f BETWEEN NOT b AND g")


def run(expression: str, dtype: str = "float", default: Any = None, **row: Any) -> Any:
    made = RequestFeatures.of(features(computed(expression, dtype, default)))
    assert made is not None
    compiled(made.expressions, made.features)(row, AT)
    return row["out"]


def test_what_is_missing_is_null_or_its_default() -> None:
    assert run("f + 1") is None
    assert run("f + 1", f=float("nan")) is None
    assert run("g + 1") == 3.0
    assert run("coalesce(f, 7)", f=None) == 7.0


def test_what_no_float32_holds_is_missing() -> None:
    assert run("1 / f", f=0.0) is None
    assert run("f * f", f=1e30) is None
    assert run("1 / f > 5", "bool", f=0.0) is True  # within an expression an infinity is a number


def test_values_of_another_python_type_are_read_as_the_columns() -> None:
    assert run("f / 2", f=5) == 2.5
    assert run("i // 2", "int", i=5.0) == 2


def test_one_that_another_reads_has_its_default_there() -> None:
    first = computed("1 / nullif(f, 0)", default=9.0).model_copy(update={"name": "first"})
    made = RequestFeatures.of(features(Feature(name="out", expression="first + 1"), first))
    assert made is not None
    row = {"f": 0.0}
    compiled(made.expressions, made.features)(row, AT)
    assert row == {"f": 0.0, "first": None, "out": 10.0}


NUMBERS = st.sampled_from(["f", "g", "i", "j", "0", "1", "2.5", "-3", "1e300", "length(s)", "hour(event_timestamp)"])
TRUTHS = st.sampled_from(["b", "f > g", "i = j", "s IS NULL", "s < t", "f IS NOT NULL"])


def larger(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(part, part)
    infix = st.tuples(part, st.sampled_from(["+", "-", "*", "/", "**", "%"]), part).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
    of_one = st.sampled_from(["abs", "floor", "round", "sqrt", "ln", "exp", "-", "sign"])
    calls = st.tuples(of_one, part).map(lambda p: f"{p[0]}({p[1]})")
    of_two = st.sampled_from(["coalesce", "nullif", "greatest", "least"])
    alike = st.tuples(of_two, two).map(lambda p: f"{p[0]}({p[1][0]}, {p[1][1]})")
    compared = st.tuples(part, st.sampled_from(["=", "<>", "<", ">="]), part).map(" ".join)
    joined = st.tuples(TRUTHS, st.sampled_from(["AND", "OR"]), compared).map(" ".join)
    conditions = st.one_of(compared, joined, TRUTHS)
    cases = st.tuples(conditions, two).map(lambda p: f"CASE WHEN {p[0]} THEN {p[1][0]} ELSE {p[1][1]} END")
    return st.one_of(infix, calls, alike, cases)


@settings(max_examples=effort(25, 1500), deadline=None)
@given(st.recursive(NUMBERS, larger, max_leaves=8), st.integers(0, 2**32))
def test_trees_that_chance_makes(expression: str, seed: int) -> None:
    parse(expression)
    one = wanted(expression)
    assert difference(one, compiled(one.expressions, one.features), generated(one.given, 200, seed)) == ""


def test_rows_come_back_in_their_order() -> None:
    one = wanted("i * 2", "int")
    rows = generated(one.given, 50)
    with open_session(1) as connection:
        found = [value for (value,) in by_duckdb(connection, one, rows)]
    assert len(found) == 50
    assert [each for each in found if each is not None][:1] == [
        value * 2 for value in rows["i"].to_pylist() if value is not None and -(2**62) <= value < 2**62
    ][:1]


DEEP = {
    "if(f > 1, 1, 2) + {}": "f",
    "NOT ({})": "b",
    "coalesce({}, b)": "b",
    "CASE WHEN {} THEN b ELSE b END": "b",
    "({} AND b)": "b",
    "if({} BETWEEN 0 AND 1, 1, 2)": "f",
    "({} IN (b, true))": "b",
    "nullif({}, 1.5)": "f",
    "({} || s)": "s",
}


def grown(part: str, text: str, dtype: str, made: list[RequestFeatures]) -> None:
    """The same within itself, until it is refused."""
    for _ in range(50):
        text = part.format(text)
        made.append(wanted(text, dtype))


@pytest.mark.parametrize("part", DEEP)
def test_the_deepest_tree_compiles(part: str) -> None:
    """Python's compiler takes so many brackets within each other, and no part is written twice."""
    made: list[RequestFeatures] = []
    with pytest.raises(SpecError, match="nested too deep"):
        grown(part, DEEP[part], {"f": "float", "b": "bool", "s": "category"}[DEEP[part]], made)
    compiled(made[-1].expressions, made[-1].features)


def test_an_operand_that_many_branches_compare_counts_in_each() -> None:
    branches = " ".join(f"WHEN {number} THEN {number}" for number in range(9))
    with pytest.raises(SpecError, match="nested too deep"):
        grown(f"CASE {{}} {branches} END", "i", "int", [])


def test_a_column_may_be_called_like_a_variable() -> None:
    t0 = Feature(name="t0", default=1.0)
    made = RequestFeatures.of(
        Features(
            request=(computed("t0 BETWEEN t1 + 0 AND t2", "bool"),),
            request_fields=tuple(t0.model_copy(update={"name": f"t{place}"}) for place in range(12)),
        )
    )
    assert made is not None
    assert difference(made, compiled(made.expressions, made.features), generated(made.given, 200)) == ""


def test_a_default_of_a_whole_number_is_whole() -> None:
    odd = Feature(name="n", dtype="int", default=2.5)
    made = RequestFeatures.of(Features(request=(computed("n * 2", "int"),), request_fields=(odd,)))
    assert made is not None
    assert difference(made, compiled(made.expressions, made.features), generated(made.given, 100)) == ""
