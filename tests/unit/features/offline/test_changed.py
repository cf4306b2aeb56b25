from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

from include.features.offline.changed import changed_days

FIRST, SECOND = date(2013, 1, 1), date(2013, 1, 2)


def made(versions: dict[str, str] | None) -> Any:
    """A day's result, of which only its value is read."""
    return SimpleNamespace(value={} if versions is None else {"versions": versions})


def test_days_of_the_present_definition_and_of_before_versions_are_left_alone() -> None:
    assert changed_days({FIRST: made({"weather": "aa"}), SECOND: made(None)}, {"weather": "aa"}) == []


def test_changed_days_come_oldest_first_and_say_which_views() -> None:
    found = changed_days({SECOND: made({"weather": "aa", "plane": "cc"}), FIRST: made({"weather": "aa"})}, {"weather": "bb"})
    assert [each.day for each in found] == [FIRST, SECOND]
    assert found[0].views == {"weather": ("aa", "bb")}
    assert found[1].words == "view plane is gone; view weather is version bb now, was aa"


def test_a_view_that_a_day_does_not_have_is_new() -> None:
    (found,) = changed_days({FIRST: made({})}, {"route": "dd"})
    assert found.words == "view route is new"
