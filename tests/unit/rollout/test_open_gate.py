from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core.control import ControlStore, versions
from include.core.errors import ConflictError, DataError, GateClosed
from include.core.ledger import Ledger
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.rollout.machine import enter_stage, open_rollout, roll_back
from include.rollout.open_gate import Opened, open_gate
from include.rollout.waiting import waiting
from include.versions.override import overrides_in
from tests.unit.rollout.conftest import MODEL
from tests.unit.rollout.walks import actions, crowned, opened, stages

CLOSED = {"gate": {"passed": False, "reasons": ["auc 0.51 is below the floor 0.55"]}}
WHY = "the holdout was a strike week"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LocalStorage(tmp_path / "store"))


@pytest.fixture
def closed(control: ControlStore, spec: ModelSpec) -> ControlStore:
    """Version 1 serves; the gate of version 4 is closed."""
    crowned(control, spec, 1)
    with control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 4).values(record=CLOSED))
    return control


def by_hand(control: ControlStore, ledger: Ledger, version: int = 4, reason: str = WHY) -> Opened:
    return open_gate(control, ledger, MODEL, version, actor="ann", reason=reason)


def test_a_closed_gate_opens_with_a_name_and_a_reason_and_no_event_starts_its_rollout(
    closed: ControlStore, ledger: Ledger
) -> None:
    done = by_hand(closed, ledger)
    assert (done.before, done.repeated, stages(closed)[4]) == ("Staging", False, "Candidate")
    assert (done.override.actor, done.override.reason) == ("ann", WHY)
    assert "auc 0.51" in done.override.despite[0]
    assert 4 not in waiting(closed, MODEL)  # a person rolls it out, not the next event
    assert closed.broken_audit_rows() == []


def test_opening_it_again_changes_nothing_and_tells_who_did(closed: ControlStore, ledger: Ledger) -> None:
    by_hand(closed, ledger)
    before = actions(closed)
    again = open_gate(closed, ledger, MODEL, 4, actor="ben", reason="me too")
    assert (again.repeated, again.override.actor) == (True, "ann")
    assert actions(closed) == before


def test_it_holds_for_one_rollout(closed: ControlStore, ledger: Ledger, spec: ModelSpec) -> None:
    by_hand(closed, ledger)
    rollout, epoch = opened(closed, spec, 4, "by hand")
    enter_stage(closed, rollout, "smoke", epoch)
    roll_back(closed, rollout, reason="it failed", actor="judge", epoch=epoch)
    with pytest.raises(GateClosed, match=r"auc 0\.51"):
        open_rollout(closed, spec, 4, request="again", actor="t", epoch=epoch, by_hand=True)
    assert stages(closed)[4] == "Archived"
    assert by_hand(closed, ledger, reason="once more").before == "Archived"
    assert opened(closed, spec, 4, "a third")[0].live


def test_killed_before_its_end_it_has_done_nothing(closed: ControlStore, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    before = actions(closed), stages(closed)
    with monkeypatch.context() as patch:
        patch.setattr(ControlStore, "append_audit", lambda *_: 1 / 0)  # after the move, before the row that says why
        with pytest.raises(ZeroDivisionError):
            by_hand(closed, ledger)
    assert (actions(closed), stages(closed)) == before
    assert not by_hand(closed, ledger).repeated


@pytest.mark.parametrize("reason", ["", " ", "--"])
def test_without_a_reason_nothing_is_opened(closed: ControlStore, ledger: Ledger, spec: ModelSpec, reason: str) -> None:
    before = actions(closed), stages(closed)
    with pytest.raises(DataError, match="needs a reason"):
        by_hand(closed, ledger, reason=reason)
    if reason:  # an empty one is none: the gate stands
        epoch = closed.take("rollout/toy", "t")
        with pytest.raises(DataError, match="needs a reason"):
            open_rollout(closed, spec, 4, request="r", actor="t", epoch=epoch, by_hand=True, override=reason)
    assert (actions(closed), stages(closed)) == before


def test_a_gate_that_is_open_is_not_opened(closed: ControlStore, ledger: Ledger, spec: ModelSpec) -> None:
    with pytest.raises(ConflictError, match=r"(?s)nothing to open.*trigger toy_rollout"):
        by_hand(closed, ledger, 2)
    crowned(closed, spec, 2)
    with pytest.raises(ConflictError, match=r"(?s)nothing to open.*slipstream restore toy 1"):
        by_hand(closed, ledger, 1)
    with pytest.raises(DataError, match="no registered version 9"):
        by_hand(closed, ledger, 9)


def test_a_rollout_may_bring_the_reason_itself_and_its_request_is_obeyed_once(closed: ControlStore, spec: ModelSpec) -> None:
    epoch = closed.take("rollout/toy", "a run by hand")
    asked: dict[str, Any] = {"request": "r", "actor": "ann: the run", "epoch": epoch, "by_hand": True, "override": WHY}
    rollout = open_rollout(closed, spec, 4, **asked)
    assert rollout.live
    assert actions(closed)[-2:] == ["rollout.restore", "rollout.open"]
    assert open_rollout(closed, spec, 4, **asked).id == rollout.id  # a retry
    assert actions(closed).count("rollout.restore") == 1
    with closed.transaction() as connection:
        assert overrides_in(connection, MODEL)[4].actor == "ann: the run"
    roll_back(closed, rollout, reason="it failed", actor="judge", epoch=epoch)
    assert open_rollout(closed, spec, 4, **asked).state == "rolled_back"  # clearing the run brings nothing back
    assert stages(closed)[4] == "Archived"


def test_an_override_of_an_open_gate_is_no_override(closed: ControlStore, spec: ModelSpec) -> None:
    epoch = closed.take("rollout/toy", "t")
    assert open_rollout(closed, spec, 2, request="r", actor="ann", epoch=epoch, by_hand=True, override=WHY).live
    with closed.transaction() as connection:
        assert overrides_in(connection, MODEL) == {}
