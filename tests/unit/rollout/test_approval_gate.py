from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.errors import GateClosed
from include.core.ledger import Ledger
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.rollout.approval_gate import digest_of
from include.rollout.approvals import approval
from include.rollout.machine import enter_stage, promote, record_verdict
from include.rollout.restore import restore_now
from include.rollout.rollback import roll_back_model
from include.routing.route import read_route
from include.versions.queries import record_in
from tests.support.approval import ANN, BOB, MODEL, PASS, asking, at_the_gate, evaluated, say
from tests.unit.rollout.walks import crowned

WHO = {"actor": "ben", "reason": "an emergency"}
TWO = asking(persons=2)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LocalStorage(tmp_path / "store"))


def approved(control: ControlStore, spec: ModelSpec, version: int) -> None:
    """Brought into production by the persons whom the spec asks."""
    rollout, epoch, standing = at_the_gate(control, spec, version, f"run of {version}")
    for person in (ANN, BOB)[: standing.missing]:
        say(control, standing, person)
    passed = False
    for stage in rollout.stages:
        passed = passed or stage.name == standing.gate
        if passed:
            enter_stage(control, rollout, stage.name, epoch)
            record_verdict(control, rollout, stage.name, PASS, epoch)
    promote(control, rollout, actor="t", epoch=epoch)


def test_what_a_person_sees_is_the_version_and_not_where_it_stands(control: ControlStore) -> None:
    evaluated(control, 2, auc=0.7)
    rollout, _, standing = at_the_gate(control, TWO)
    with control.transaction() as connection:
        record = record_in(connection, MODEL, 2)
    assert digest_of(rollout, record) == standing.seen
    assert digest_of(rollout, {**record, "stage": "Production", "run_id": "7"}) == standing.seen
    assert digest_of(rollout, {**record, "metrics": {"auc": 0.71}}) != standing.seen


def test_a_rollback_is_never_held_back_and_an_approved_version_may_return(
    control: ControlStore, ledger: Ledger, spec: ModelSpec
) -> None:
    crowned(control, spec, 1)
    approved(control, TWO, 2)
    approved(control, TWO, 3)
    assert roll_back_model(control, MODEL, **WHO).serving == 2
    assert restore_now(control, ledger, MODEL, 3, spec=TWO, **WHO).serving == 3
    with pytest.raises(GateClosed, match="asks 2 persons, before 100 percent, and nobody has approved it"):
        restore_now(control, ledger, MODEL, 1, **WHO)  # whatever the caller says of the spec: the rollouts so far asked
    with pytest.raises(GateClosed, match="nobody has approved it"):
        restore_now(control, ledger, MODEL, 1, spec=TWO, **WHO)
    assert read_route(control, MODEL)[1].champion == 3


def test_what_one_person_let_in_does_not_return_at_once_where_two_are_asked(
    control: ControlStore, ledger: Ledger, spec: ModelSpec
) -> None:
    crowned(control, spec, 1)
    approved(control, asking(), 2)
    roll_back_model(control, MODEL, **WHO)
    with pytest.raises(GateClosed, match="only ann has approved it"):
        restore_now(control, ledger, MODEL, 2, spec=TWO, **WHO)
    assert restore_now(control, ledger, MODEL, 2, spec=asking(), **WHO).serving == 2


def test_the_version_that_a_rollback_returns_to_may_be_named(control: ControlStore, ledger: Ledger, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    approved(control, TWO, 2)
    assert restore_now(control, ledger, MODEL, 1, spec=TWO, **WHO).serving == 1


def test_it_says_in_words_who_is_waited_for(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    rollout, _, standing = at_the_gate(control, asking(persons=2, users=("Ann", "bob"), at_deadline="wait"))
    assert standing.words.startswith("waits before full_100 for 2 persons (Ann, bob), until 2")
    assert standing.words.endswith("UTC (then somebody is called)")
    assert standing.to_json()["waits"] is True
    say(control, standing, ANN)
    say(control, standing, BOB)
    after = approval(control, rollout.id)
    assert after is not None
    assert after.words == "approved by ann and bob"
