"""Stages that no gateway counts for are told of, once."""

from __future__ import annotations

import pytest

from include.rollout.history import live_rollout
from include.rollout.machine import enter_stage, record_verdict
from include.rollout.pause import pause, resume
from tests.support.evidence import begun_and_published
from tests.unit.reconcile.conftest import MODEL, SPEC, Place


@pytest.fixture
def full(place: Place) -> Place:
    """Version 2 has all traffic, in a stage that has just been entered; a gateway counted for the one before."""
    place.champion(1)
    place.version(2)
    rollout = place.canary()
    record_verdict(place.control, rollout, "canary_5", {"answer": "promote"}, 2)
    enter_stage(place.control, rollout, "full_100", 2)
    return place


def test_a_stage_without_a_gateway_is_told_of_once(full: Place) -> None:
    assert full.look().found == []
    full.later(minutes=6)
    (finding,) = full.look().found
    assert finding.kind == "rollout.unheard"
    assert "version 2 is in full_100, and no gateway has published evidence of this stage" in finding.summary
    full.look()
    assert full.told() == ["rollout_unheard"]


def test_one_that_a_gateway_counts_for_and_one_that_is_paused_are_left_alone(full: Place) -> None:
    full.later(minutes=6)
    rollout = live_rollout(full.control, MODEL)
    assert rollout is not None
    pause(full.control, MODEL, actor="ada", reason="lunch")
    assert [finding.kind for finding in full.look().found] == []
    resume(full.control, MODEL, actor="ada", reason="back")
    begun_and_published(full.control, SPEC, rollout.id, "full_100", full.home)
    assert full.look().found == []
    assert full.told() == []
