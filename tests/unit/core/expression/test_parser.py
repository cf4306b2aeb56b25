from __future__ import annotations

import pytest

from include.core.expression.parser import parse
from include.core.expression.tree import Call, Case, Cast, Column, Constant, columns_of


def test_operators_hold_as_in_sql() -> None:
    a, b, c = Column("a"), Column("b"), Column("c")
    assert parse("a + b * c") == Call("+", (a, Call("*", (b, c))))
    assert parse("a - b - c") == Call("-", (Call("-", (a, b)), c))
    assert parse("NOT a = b AND c") == Call("and", (Call("not", (Call("=", (a, b)),)), c))
    assert parse("-a ** 2") == Call("**", (Call("neg", (a,)), Constant(2, "int", "2")))
    assert parse("a NOT IN (b, c)") == Call("not", (Call("in", (a, b, c)),))
    assert parse("-a::double") == Call("neg", (Cast(a, "float"),))


def test_case_with_and_without_an_operand() -> None:
    one, two = Constant(1, "int", "1"), Constant(2, "int", "2")
    assert parse("CASE WHEN a THEN 1 ELSE 2 END") == Case(((Column("a"), one),), two)
    assert parse("case a when 1 then 2 end") == Case(((Call("=", (Column("a"), one)), two),), Constant(None, "null"))


def test_texts_names_and_numbers() -> None:
    assert parse("'it''s'") == Constant("it's", "text")
    assert parse('"from"') == Column("from")
    assert parse("1e3") == Constant(1000.0, "float", "1e3")
    assert columns_of(parse("coalesce(b, a) + b")) == ("b", "a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("amount +", "a value should stand"),
        ("(SELECT 1)", "seen '1'"),
        ("sum(amount)", "sum\\(\\) is not on the list"),
        ("now()", "asks the clock"),
        ("a; DROP TABLE b", "should end; seen ';' at character 2"),
        ("a.b", "seen '.'"),
        ("a < b < c", "joined|chained"),
        ("a IS 3", "after IS there may be"),
        ("CASE a END", "CASE has no WHEN"),
        ("a::DATE", "may be cast to DOUBLE, BIGINT"),
        ("'open", 'seen "\'"'),
        ("99999999999999999999", "too large for a BIGINT"),
        ("1e999", "too large for a DOUBLE"),
        ("+a", "leave it out"),
        ("a" * 2001, "2001 characters"),
        ("(" * 60 + "1" + ")" * 60, "nested too deep"),
        (" + ".join("a" * 45), "nested too deep"),
        ("", "seen 'the end'"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)
