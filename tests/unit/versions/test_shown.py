from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import rollout_events, rollouts
from include.core.digest import _closure
from include.core.errors import DataError
from include.versions.shown import override_of, promoted_by, shown_records, shown_version
from include.versions.store import add_in
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL, record

SAID = {"version": 2, "reason": "why", "despite": ["its gate is closed: x"]}


def test_a_version_is_shown_with_its_override_which_is_not_stored_with_it(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    made = [record(number, f"1.{number}.0") for number in (1, 2)]
    with control.transaction() as connection:
        for each in made:
            add_in(connection, each)
        control.append_audit(connection, "ann", "rollout.restore", MODEL, SAID)
    first, second = shown_records(control, MODEL)
    assert (first.override, second.override and second.override.reason) == (None, "why")
    assert second == shown_version(control, MODEL, 2)
    assert (first.to_json()["override"], second.to_json()["override"]["actor"]) == (None, "ann")
    assert "override" not in made[1].to_json()
    assert override_of(made[1]) is None
    with pytest.raises(DataError, match="no version 3"):
        shown_version(control, MODEL, 3)


def test_a_version_is_shown_with_the_persons_who_let_it_into_production(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    with control.transaction() as connection:
        for number in (1, 2):
            add_in(connection, record(number, f"1.{number}.0"))
        at = {"created_at": "2013-01-01", "updated_at": "2013-01-01"}
        row = {"id": "r", "model": MODEL, "challenger": 2, "stage": "promote", "state": "promoted"}
        connection.execute(rollouts.insert().values(**row, **at))
        event = {"key": "k", "rollout": "r", "stage": "promote", "event": "promoted", "at": "2013-01-01"}
        connection.execute(rollout_events.insert().values(**event, evidence={"by": ["ann", "bob"], "carried_out_by": "task"}))
    first, second = shown_records(control, MODEL)
    assert (promoted_by(first), promoted_by(second)) == ((), ("ann", "bob"))
    assert second.to_json()["promoted_by"] == ["ann", "bob"]


@pytest.mark.parametrize("step", ["features.features_step", "features.training_set_step", "training.train_step"])
def test_no_result_is_computed_again_for_what_is_shown(step: str) -> None:
    """Code that a step reads is part of its keys."""
    assert not _closure(f"include.{step}") & {"include.versions.shown", "include.versions.override"}
