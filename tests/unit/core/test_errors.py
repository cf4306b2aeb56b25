from __future__ import annotations

import inspect
import pickle
import re

import pytest

from include.core import errors
from include.core.errors import PermanentError, SlipstreamError, TransientError, one_line

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SlipstreamError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling_with_its_fields(kind: type[SlipstreamError]) -> None:
    error = kind("It broke.", seen={"a": 1}, safe="the rest.", hint="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.what, again.seen, again.safe, again.hint, str(again)) == (
        "It broke.",
        {"a": 1},
        "the rest.",
        "mend it",
        str(error),
    )


def test_each_of_the_four_parts_has_a_line_of_its_own() -> None:
    error = SlipstreamError("It broke.", seen=0, safe="the rest.", hint="mend it")
    assert str(error).splitlines() == ["It broke.", "Seen: 0.", "Safe: the rest.", "Next: mend it"]
    assert str(SlipstreamError("It broke.")) == "It broke."
    assert str(SlipstreamError("It broke.", hint="mend it")).splitlines() == ["It broke.", "Next: mend it"]


def test_in_another_text_an_error_stays_on_one_line() -> None:
    error = SlipstreamError("It broke. Its last lines:\n  a\n  b\n", seen="x\ny", safe="the rest.", hint="mend it")
    told = "It broke. Its last lines: a b Seen: 'x\\ny'. Safe: the rest. Next: mend it"
    assert (f"{error}", one_line(error)) == (told, told)
    assert f"{error!s}" == str(error)  # asked for in so many words
    assert one_line(ValueError("several\n lines\n")) == "several lines"


class Wide:
    """A value whose words take several lines, as an array's do; no other process knows it, and it cannot be copied."""

    def __repr__(self) -> str:
        return "[1 2\n 3 4]"

    def __reduce__(self) -> str:
        raise TypeError("cannot be copied")


@pytest.mark.parametrize(
    "seen",
    [Wide(), {"a": [Wide()]}, (1, Wide()), {1, 2}, lambda: 0],
    ids=["alone", "in a list", "in a tuple", "a set", "a function"],
)
def test_a_value_that_no_other_process_could_read_back_travels_as_its_words(seen: object) -> None:
    error = SlipstreamError("It broke.", seen=seen, hint="mend it")
    again = pickle.loads(pickle.dumps(error))
    twice = pickle.loads(pickle.dumps(again))
    assert len(str(error).splitlines()) == 3
    assert str(twice) == str(again) == str(error)


def test_every_error_says_whether_a_retry_can_help() -> None:
    for kind in set(KINDS) - {SlipstreamError, PermanentError, TransientError}:
        assert issubclass(kind, PermanentError) != issubclass(kind, TransientError), kind


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"\w+", errors.__doc__ or ""))
    assert {kind.__name__ for kind in KINDS} <= drawn
