"""A rollback is no one-way street: a version that left is offered again, or returned to at once, by a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, audit, versions
from include.core.errors import ConflictError, DataError, FencedError, GateClosed, IntegrityError
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.rollout.history import live_rollout, read_rollout, withdrawn
from include.rollout.machine import enter_stage, open_rollout, promote, roll_back
from include.rollout.restore import restore, restore_now
from include.rollout.rollback import roll_back_model
from include.routing.route import Route, read_route
from tests.unit.rollout.walks import crowned, opened, stages, walk

CLOSED = {"gate": {"passed": False, "reasons": ["auc 0.51 is below the floor 0.55"]}}
WHO: dict[str, Any] = {"actor": "ada", "reason": "it was right"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LocalStorage(tmp_path / "store"))


def set_record(control: ControlStore, version: int, record: dict[str, Any]) -> None:
    with control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == version).values(record=record))


def told(control: ControlStore) -> list[tuple[str, str, dict[str, Any]]]:
    with control.transaction() as connection:
        query = sa.select(audit.c.actor, audit.c.action, audit.c.detail).order_by(audit.c.seq)
        return [tuple(row) for row in connection.execute(query)]


def rolled_back(control: ControlStore, spec: ModelSpec, version: int) -> None:
    rollout, epoch = opened(control, spec, version, f"run of {version}")
    enter_stage(control, rollout, "smoke", epoch)
    roll_back(control, rollout, reason="by chance", actor="judge", epoch=epoch)


def test_a_rolled_back_version_is_offered_again_and_its_rollout_opens(
    control: ControlStore, ledger: Ledger, spec: ModelSpec
) -> None:
    crowned(control, spec, 1)
    rolled_back(control, spec, 2)
    done = restore(control, ledger, "toy", 2, **WHO)
    assert (done.before, stages(control)[2]) == ("Archived", "Candidate")
    assert read_route(control, "toy")[1] == Route(champion=1)  # no traffic has moved
    detail = {"version": 2, "from": "Archived", "reason": "it was right", "despite": []}
    assert told(control)[-1] == ("ada", "rollout.restore", detail)
    again, epoch = opened(control, spec, 2, "another run")
    walk(control, again, epoch)
    assert again.live
    assert control.broken_audit_rows() == []


def test_offering_a_candidate_changes_nothing(control: ControlStore, ledger: Ledger) -> None:
    assert restore(control, ledger, "toy", 2, **WHO).before == "Candidate"
    assert told(control) == []


def test_a_rollout_by_hand_of_an_archived_version_is_obeyed_once(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    rolled_back(control, spec, 2)
    epoch = control.take("rollout/toy", "a run by hand")
    asked: dict[str, Any] = {"request": "by hand", "actor": "the run", "epoch": epoch, "by_hand": True}
    rollout = open_rollout(control, spec, 2, **asked)
    assert rollout.live
    assert [action for _, action, _ in told(control)][-2:] == ["rollout.restore", "rollout.open"]
    roll_back(control, rollout, reason="twice is no chance", actor="judge", epoch=epoch)
    assert open_rollout(control, spec, 2, **asked).state == "rolled_back"  # clearing the run brings nothing back
    assert stages(control)[2] == "Archived"


def test_an_event_does_not_bring_an_archived_version_back(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    rolled_back(control, spec, 2)
    with pytest.raises(GateClosed, match=r"slipstream restore toy 2 --reason"):
        opened(control, spec, 2, "another run")
    assert stages(control)[2] == "Archived"


@pytest.mark.parametrize("way", ["restore", "now", "by hand"])
def test_a_gate_that_closed_since_is_checked(control: ControlStore, ledger: Ledger, spec: ModelSpec, way: str) -> None:
    for version in (1, 2):
        crowned(control, spec, version)
    set_record(control, 1, CLOSED)
    before = told(control), read_route(control, "toy"), stages(control)
    epoch = control.take("rollout/toy", "t")
    acts = {
        "restore": lambda: restore(control, ledger, "toy", 1, **WHO),
        "now": lambda: restore_now(control, ledger, "toy", 1, **WHO),
        "by hand": lambda: open_rollout(control, spec, 1, request="r", actor="t", epoch=epoch, by_hand=True),
    }
    with pytest.raises(GateClosed, match=r"(?s)auc 0.51 is below the floor.*slipstream restore toy 1 --despite-gate"):
        acts[way]()
    assert (told(control), read_route(control, "toy"), stages(control)) == before


@pytest.mark.parametrize(
    ("record", "why"),
    [({}, "has not opened"), (CLOSED, "auc 0.51"), ({"run_type": "backfill", "gate": {"passed": True}}, "backfill")],
)
def test_a_version_that_never_passed_is_offered_only_by_saying_so(
    control: ControlStore, ledger: Ledger, spec: ModelSpec, record: dict[str, Any], why: str
) -> None:
    set_record(control, 4, record)
    with pytest.raises(GateClosed, match=why):
        restore(control, ledger, "toy", 4, **WHO)
    with pytest.raises(GateClosed, match=why):
        opened(control, spec, 4)
    assert stages(control)[4] == "Staging"
    restore(control, ledger, "toy", 4, **WHO, despite_gate=True)
    assert stages(control)[4] == "Candidate"
    assert why in told(control)[-1][2]["despite"][0]
    assert opened(control, spec, 4)[0].live


def test_now_returns_all_traffic_to_a_version_that_was_in_production(
    control: ControlStore, ledger: Ledger, spec: ModelSpec
) -> None:
    for version in (1, 2, 3):
        crowned(control, spec, version)
    roll_back_model(control, "toy", actor="ada", reason="complaints")
    with pytest.raises(ConflictError, match=r"in production before \(1, 3\): slipstream restore toy 3 --now"):
        roll_back_model(control, "toy", actor="ada", reason="more complaints")
    done = restore_now(control, ledger, "toy", 1, **WHO)
    assert (done.gone, done.serving) == (2, 1)
    assert read_route(control, "toy") == (done.generation, Route(champion=1))
    assert stages(control) == {1: "Production", 2: "Archived", 3: "Archived", 4: "Staging"}
    assert told(control)[-1][1] == "rollout.restore_now"
    with pytest.raises(ConflictError, match="champion already"):
        restore_now(control, ledger, "toy", 1, **WHO)


def test_now_ends_a_live_rollout_and_fences_its_driver(control: ControlStore, ledger: Ledger, spec: ModelSpec) -> None:
    for version in (1, 2):
        crowned(control, spec, version)
    rollout, epoch = opened(control, spec, 3)
    walk(control, rollout, epoch, until="canary_20")
    assert restore_now(control, ledger, "toy", 1, **WHO).serving == 1
    assert read_route(control, "toy")[1] == Route(champion=1)
    assert read_rollout(control, rollout.id).state == "rolled_back"
    assert live_rollout(control, "toy") is None
    with pytest.raises(FencedError):
        enter_stage(control, rollout, "canary_20", epoch)
    assert stages(control) == {1: "Production", 2: "Archived", 3: "Archived", 4: "Staging"}


def test_now_is_refused_for_a_version_that_was_never_in_production(
    control: ControlStore, ledger: Ledger, spec: ModelSpec
) -> None:
    crowned(control, spec, 1)
    rolled_back(control, spec, 2)
    for version in (2, 3, 4):
        with pytest.raises(ConflictError, match="never been in production"):
            restore_now(control, ledger, "toy", version, **WHO, despite_gate=True)
    assert read_route(control, "toy")[1] == Route(champion=1)


def test_an_offered_version_does_not_disturb_the_rollout_of_another(
    control: ControlStore, ledger: Ledger, spec: ModelSpec
) -> None:
    crowned(control, spec, 1)
    rolled_back(control, spec, 2)
    rollout, epoch = opened(control, spec, 3)
    restore(control, ledger, "toy", 2, **WHO)
    enter_stage(control, rollout, "smoke", epoch)  # not fenced off


@pytest.mark.parametrize("act", [restore, restore_now])
def test_unknown_versions_and_the_champion_are_refused_by_name(
    control: ControlStore, ledger: Ledger, spec: ModelSpec, act: Any
) -> None:
    crowned(control, spec, 1)
    with pytest.raises(DataError, match="no registered version 9"):
        act(control, ledger, "toy", 9, **WHO)
    with pytest.raises(DataError, match="nosuch has no registered version 1"):
        act(control, ledger, "nosuch", 1, **WHO)
    with pytest.raises(ConflictError, match="champion already"):
        act(control, ledger, "toy", 1, **WHO)


@pytest.mark.parametrize("act", [restore, restore_now])
@pytest.mark.parametrize("damage", ["gone", "torn", "other result", "other weights"])
def test_a_version_whose_files_are_damaged_is_not_brought_back(
    control: ControlStore, ledger: Ledger, spec: ModelSpec, tmp_path: Path, act: Any, damage: str
) -> None:
    for version in (1, 2):
        crowned(control, spec, version)
    (tmp_path / "model.onnx").write_bytes(b"weights")
    request = Request("train", "tests:none", "toy")
    ledger.record(request)
    result = ledger.commit(
        request, ledger.open_attempt(request.key, 0), Outcome({}, {"model.onnx": tmp_path / "model.onnx"}), 0.0
    )
    set_record(control, 1, {"train": ledger.ref(result).to_json()})
    path = result.files["model.onnx"].path if damage == "other weights" else result.path
    kept = ledger.storage.read(path)
    damaged = {"torn": kept[:20], "other result": kept.replace(b'"value":{}', b'"value":{"auc":1}'), "other weights": b"others"}
    if damage == "gone":
        ledger.storage.delete(path)
    else:
        ledger.storage.write(path, damaged[damage])
    with pytest.raises(IntegrityError, match="slipstream trace toy --version 1"):
        act(control, ledger, "toy", 1, **WHO)
    ledger.storage.write(path, kept)
    act(control, ledger, "toy", 1, **WHO)


def test_a_version_that_came_back_is_not_withdrawn_any_more(control: ControlStore, ledger: Ledger, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    rolled_back(control, spec, 2)
    assert withdrawn(control, "toy") == [2]
    restore(control, ledger, "toy", 2, **WHO)
    again, epoch = opened(control, spec, 2, "another run")
    walk(control, again, epoch)
    promote(control, again, actor="t", epoch=epoch)
    crowned(control, spec, 3)
    assert withdrawn(control, "toy") == []
    restore_now(control, ledger, "toy", 1, **WHO)
    assert withdrawn(control, "toy") == [3]
