from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.core.expression.checked import Written, checked
from include.core.expression.tree import Call
from include.core.spec import Feature, Features
from tests.support.expressions import SENT, computed, features

GIVEN = {"f": "float", "i": "int", "s": "category", "p": "vector[3]"}


def of(expression: str, dtype: str = "float") -> str:
    """What is said of it."""
    try:
        checked([Written("out", dtype, expression)], GIVEN)
    except ValueError as error:
        return str(error)
    return ""


def test_each_comes_after_what_it_reads() -> None:
    written = [Written("c", "float", "b + 1"), Written("a", "int", "i"), Written("b", "float", "a * f")]
    assert [each.name for each in checked(written, GIVEN)] == ["a", "b", "c"]


def test_conversions_are_written_down() -> None:
    (one,) = checked([Written("out", "float", "i / 2")], GIVEN)
    assert isinstance(one.node, Call)
    assert [each.type for each in one.node.arguments] == ["float", "float"]


@pytest.mark.parametrize(
    ("expression", "dtype", "said"),
    [
        ("nobody + 1", "float", "'nobody' is no column here"),
        ("p", "float", "is a vector, which no expression reads"),
        ("f", "vector[2]", "vector\\[2\\] is several numbers"),
        ("f > 1", "float", "gives a BOOLEAN, and dtype='float' is DOUBLE"),
        ("f", "int", "gives a DOUBLE"),
        ("s + 1", "float", "\\+ takes .BIGINT, BIGINT. or .DOUBLE, DOUBLE.; seen .VARCHAR, BIGINT."),
        ("s::double", "float", "VARCHAR cannot be cast to DOUBLE"),
        ("f::varchar", "text", "DOUBLE cannot be cast to VARCHAR"),
        ("f // 2", "float", "// takes .BIGINT, BIGINT."),
        ("coalesce(f, s)", "float", "values of several types: DOUBLE, VARCHAR"),
        ("CASE WHEN f THEN 1 END", "float", "WHEN takes a condition"),
        ("round(f, i)", "float", "written out, 0 to 15"),
        ("substring(s, 0, 2)", "text", "written out, 1 to 1000"),
        ("date_part('century', event_timestamp)", "int", "date_part\\(\\) takes one of second"),
        ("nullif(f)", "float", "takes 2 to 2 values; seen 1"),
        ("out + 1", "float", "circle: 'out' reads 'out'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(expression: str, dtype: str, said: str) -> None:
    import re

    assert re.search(said, of(expression, dtype)), of(expression, dtype)


def test_a_circle_is_shown() -> None:
    with pytest.raises(ValueError, match=r"'a' reads 'b' reads 'a'|'b' reads 'a' reads 'b'"):
        checked([Written("a", "float", "b"), Written("b", "float", "a")], {})


def test_a_spec_refuses_what_cannot_be_computed() -> None:
    with pytest.raises(SpecError, match=r"(?s)Features.*expression of 'out'.*median\(\) is not on the list"):
        features(computed("median(f)"))
    with pytest.raises(SpecError, match="a view's values are made by its SQL"):
        Features(request=(computed("i"),), request_fields=(*SENT, computed("j").model_copy(update={"name": "k"})))
    with pytest.raises(SpecError, match="no feature of the request has an expression"):
        Features(request=(Feature(name="x"),), request_fields=SENT)


def test_a_spec_without_expressions_is_written_as_ever() -> None:
    dumped = Features(request=(Feature(name="x"),)).model_dump(mode="json")
    assert "request_fields" not in dumped
    assert dumped["request"] == [{"name": "x", "dtype": "float", "default": None, "description": ""}]
    whole = features(computed("f + i"))
    assert Features.model_validate(whole.model_dump(mode="json")) == whole
    assert [each.name for each in whole.sent] == ["i", "j", "b", "s", "t"]


def test_a_days_partition_does_not_depend_on_what_is_computed() -> None:
    one, other = features(computed("f + i")), features(computed("f * i"))
    assert one.stored.model_dump(mode="json") == other.stored.model_dump(mode="json")
    assert [each.name for each in one.stored.request] == [each.name for each in one.sent]
    plain = Features(request=(Feature(name="x"),))
    assert plain.stored is plain
