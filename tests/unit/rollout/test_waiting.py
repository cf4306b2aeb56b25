"""Candidates that wait for their turn, and those that will never have one."""

from __future__ import annotations

from include.core.control import ControlStore, versions
from include.core.spec import ModelSpec
from include.rollout.history import opened_by
from include.rollout.machine import open_rollout, promote, roll_back
from include.rollout.waiting import supersede, superseded_by, waiting
from tests.unit.rollout.conftest import MODEL
from tests.unit.rollout.walks import actions, crowned, opened, stages


def test_the_newest_waits_first_and_one_of_staging_does_not(control: ControlStore) -> None:
    assert waiting(control, MODEL) == [3, 2, 1]
    assert supersede(control, MODEL, "ada") == []  # without a champion nobody is too old


def test_a_live_rollouts_version_and_one_rolled_back_wait_no_more(control: ControlStore, spec: ModelSpec) -> None:
    rollout, epoch = opened(control, spec, 3)
    assert waiting(control, MODEL) == [2, 1]
    roll_back(control, rollout, reason="errors", actor="test", epoch=epoch)
    assert waiting(control, MODEL) == [2, 1]
    assert stages(control)[2] == "Candidate"  # it may still come: the newer one was no good


def test_a_promotion_supersedes_the_older_ones_in_the_same_transaction(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 2)
    assert stages(control) == {1: "Archived", 2: "Production", 3: "Candidate", 4: "Staging"}
    assert waiting(control, MODEL) == [3]
    assert superseded_by(control, MODEL, 1) == 2
    assert superseded_by(control, MODEL, 3) is None
    assert actions(control)[-2:] == ["rollout.promote", "candidate.superseded"]
    assert supersede(control, MODEL, "ada") == []
    assert control.broken_audit_rows() == []


def test_a_superseded_one_that_a_person_offers_again_is_left_to_that_person(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 2)
    with control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 1).values(stage="Candidate"))
    assert waiting(control, MODEL) == [3]
    assert supersede(control, MODEL, "ada") == []
    assert stages(control)[1] == "Candidate"


def test_a_promotion_done_again_supersedes_nobody_else(control: ControlStore, spec: ModelSpec) -> None:
    rollout = crowned(control, spec, 2)
    before = actions(control)
    promote(control, rollout, actor="test", epoch=control.take(rollout.resource, "again"))
    assert actions(control) == before


def test_the_rollout_of_a_request_is_found_without_anybody_telling(control: ControlStore, spec: ModelSpec) -> None:
    assert opened_by(control, MODEL, "run-1") is None
    rollout, epoch = opened(control, spec, 2)
    assert opened_by(control, MODEL, "run-1") == rollout
    joined = open_rollout(control, spec, 2, request="run-2", actor="test", epoch=epoch)
    assert opened_by(control, MODEL, "run-2") == joined == rollout
    assert opened_by(control, MODEL, "run-3") is None
    roll_back(control, rollout, reason="errors", actor="test", epoch=epoch)
    found = opened_by(control, MODEL, "run-1")
    assert found is not None
    assert (found.id, found.state) == (rollout.id, "rolled_back")
