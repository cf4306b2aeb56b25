"""What the policy would do next: its last word, its guards, and one more window like the last."""

from __future__ import annotations

from dataclasses import replace

from include.monitoring.retraining.outlook import outlook
from tests.support.weekly_facts import CALM, DRIFT, POLICY, facts, replay


def test_before_the_first_decision_there_is_none() -> None:
    assert outlook([], POLICY) == {}


def test_one_more_drifting_window_would_retrain() -> None:
    held = replay([facts("2013-04-29", drift=CALM), facts("2013-05-06", drift=DRIFT)])
    told = outlook(held, POLICY)
    assert (told["action"], told["next"]["action"], told["next"]["as_of"]) == ("hold", "retrain", "2013-05-13T00:00:00")
    assert "2 windows in a row" in told["next"]["words"]


def test_a_closed_guard_is_named_with_what_it_needs() -> None:
    told = outlook(replay([facts("2013-05-06", drift=DRIFT, new_labels=3, busy=("rollout of version 3",))]), POLICY)
    closed = {each["name"]: each for each in told["guards"] if not each["open"] and not each["reason"]}
    assert closed["new labels"]["now"] == "3"
    assert closed["nothing else runs"]["now"] == "rollout of version 3"
    assert told["next"]["action"] == "hold"


def test_a_decision_that_kept_no_facts_is_shown_without_guards() -> None:
    (decision,) = replay([facts("2013-05-06")])
    told = outlook([replace(decision, evidence={})], POLICY)
    assert (told["action"], told["guards"], told["next"]) == ("hold", [], {})
