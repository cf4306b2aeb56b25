from __future__ import annotations

import pytest

from include.core.control import ControlStore
from include.core.errors import ConflictError, DataError, GateClosed
from include.core.spec import ModelSpec
from include.rollout.offer import offer_in, served_in
from include.versions.lifecycle import Stage
from tests.unit.rollout.conftest import MODEL
from tests.unit.rollout.walks import actions, crowned, stages


def offer(control: ControlStore, version: int, *, despite_gate: bool = False) -> Stage:
    with control.transaction() as connection:
        return offer_in(control, connection, MODEL, version, actor="ann", reason="again", despite_gate=despite_gate)


def test_a_version_that_had_its_turn_is_a_candidate_again(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    crowned(control, spec, 2)
    assert offer(control, 1) is Stage.ARCHIVED
    assert stages(control)[1] == "Candidate"
    assert actions(control)[-1] == "rollout.restore"
    assert control.broken_audit_rows() == []


def test_a_candidate_stays_one_and_nothing_is_written(control: ControlStore) -> None:
    before = actions(control)
    assert offer(control, 1) is Stage.CANDIDATE
    assert actions(control) == before


def test_the_champion_is_not_offered(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    with pytest.raises(ConflictError, match="is the champion already"):
        offer(control, 1)


def test_a_version_whose_gate_never_opened_needs_a_persons_word(control: ControlStore) -> None:
    with pytest.raises(GateClosed, match=r"(?s)its gate has not opened.*--despite-gate"):
        offer(control, 4)
    assert stages(control)[4] == "Staging"
    assert offer(control, 4, despite_gate=True) is Stage.STAGING
    assert stages(control)[4] == "Candidate"


def test_an_unknown_version_is_none_to_offer(control: ControlStore) -> None:
    with pytest.raises(DataError):
        offer(control, 99)


def test_served_is_what_was_in_production_at_any_time(control: ControlStore, spec: ModelSpec) -> None:
    def served() -> set[int]:
        with control.transaction() as connection:
            return served_in(connection, MODEL)

    assert served() == set()
    crowned(control, spec, 1)
    crowned(control, spec, 2)
    crowned(control, spec, 3)
    assert served() == {1, 2, 3}
