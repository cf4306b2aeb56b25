from __future__ import annotations

import inspect
import pickle
import re

import pytest

from include.core import errors
from include.core.errors import PermanentError, SlipstreamError, TransientError

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


def test_a_message_says_what_happened_what_was_seen_what_is_safe_and_what_next() -> None:
    assert (
        str(SlipstreamError("It broke.", seen=0, safe="the rest.", hint="mend it"))
        == "It broke. Seen: 0. Safe: the rest. Next: mend it"
    )
    assert str(SlipstreamError("It broke.")) == "It broke."


def test_every_error_says_whether_a_retry_can_help() -> None:
    for kind in set(KINDS) - {SlipstreamError, PermanentError, TransientError}:
        assert issubclass(kind, PermanentError) != issubclass(kind, TransientError), kind


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"\w+", errors.__doc__ or ""))
    assert {kind.__name__ for kind in KINDS} <= drawn
