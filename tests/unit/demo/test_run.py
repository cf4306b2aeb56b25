"""Which telling is told: the one that was begun in this home, and the long one only in a home of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from include.core.errors import ConflictError
from include.demo.journal import Journal
from include.demo.plan import FULL, SHORT
from include.demo.run import _past, _shortcomings, choose


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.load(tmp_path / "demo.json")


def test_a_new_home_gets_what_is_asked_for(journal: Journal, tmp_path: Path) -> None:
    assert choose(journal, full=False) is SHORT
    assert choose(Journal.load(tmp_path / "other.json"), full=True) is FULL


def test_a_home_of_the_release_before_goes_on_with_the_long_one(journal: Journal) -> None:
    journal.done = ["features", "v1"]
    assert choose(journal, full=False) is FULL


def test_a_begun_one_goes_on_and_a_long_one_is_not_told_on_top_of_a_short(journal: Journal) -> None:
    choose(journal, full=False)
    journal.save()
    assert choose(Journal.load(journal.path), full=False) is SHORT
    with pytest.raises(ConflictError, match="a home of its own"):
        choose(Journal.load(journal.path), full=True)


def test_the_estimate_knows_what_an_interrupted_demo_has_behind_it(journal: Journal) -> None:
    journal.done = ["features"]
    journal.seconds = {"set-up": 12.0, "start": 40.0, "features": 9.0, "v1": 30.0}
    assert _past(journal, SHORT) == {"set-up": 12.0, "features": 9.0}


@dataclass(frozen=True)
class Over:
    """A rollout that is over."""

    state: str
    stage: str = "promote"
    champion: int | None = 1


FIRST, SECOND, BROKEN = Over("promoted", champion=None), Over("promoted"), Over("rolled_back", "shadow", champion=2)


def shortcomings(monkeypatch: pytest.MonkeyPatch, journal: Journal, *rollouts: Over) -> str:
    monkeypatch.setattr("include.demo.run.list_rollouts", lambda control, model: list(rollouts))
    story = SimpleNamespace(journal=journal, control=None, spec=SimpleNamespace(name="flights"), plan=SHORT)
    return _shortcomings(cast("Any", story))


def test_a_story_that_went_as_it_should_has_no_shortcoming(monkeypatch: pytest.MonkeyPatch, journal: Journal) -> None:
    assert shortcomings(monkeypatch, journal, FIRST, SECOND, BROKEN) == ""


def test_what_did_not_happen_is_said(monkeypatch: pytest.MonkeyPatch, journal: Journal) -> None:
    journal.facts.update(failed=2, requests=9, first_failure="HTTP 503")
    assert "2 of 9 requests failed: HTTP 503" in shortcomings(monkeypatch, journal, FIRST, SECOND, BROKEN)
    assert "no retrained version was promoted" in shortcomings(monkeypatch, journal, FIRST, BROKEN)
    late = replace(BROKEN, stage="canary_20")
    assert "caught in canary_20, not in shadow" in shortcomings(monkeypatch, journal, FIRST, SECOND, late)
    assert "the broken version was not rolled back" in shortcomings(monkeypatch, journal, FIRST, SECOND, Over("promoted"))
