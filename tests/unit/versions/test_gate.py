from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core.control import ControlStore, versions
from include.core.time import timestamp
from include.versions.gate import obstacles, offered_in
from include.versions.lifecycle import Stage
from tests.support.stores import empty_control


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return empty_control(tmp_path)


def against(control: ControlStore, record: dict[str, Any], stage: Stage) -> tuple[str, ...]:
    row = {"key": "k", "model": "m", "version": 1, "semver": "1.0.0", "record": record, "at": timestamp(), "stage": str(stage)}
    with control.transaction() as connection:
        connection.execute(versions.insert().values(**row))
        return obstacles(connection, "m", 1, stage)


@pytest.mark.parametrize("record", [{}, {"gate": {"passed": True, "reasons": []}}])
def test_nothing_stands_against_a_version_whose_gate_was_open(control: ControlStore, record: dict[str, Any]) -> None:
    assert against(control, record, Stage.ARCHIVED) == ()


def test_a_closed_gate_tells_its_reasons(control: ControlStore) -> None:
    record = {"gate": {"passed": False, "reasons": ["AUC fell", "too slow"]}}
    assert against(control, record, Stage.ARCHIVED) == ("its gate is closed: AUC fell; too slow",)


def test_a_closed_gate_without_a_reason_says_that(control: ControlStore) -> None:
    assert against(control, {"gate": {"passed": False}}, Stage.ARCHIVED) == ("its gate is closed: no reason was kept",)


def test_a_backfills_version_was_compared_with_no_champion(control: ControlStore) -> None:
    assert against(control, {"run_type": "backfill"}, Stage.STAGING) == ("a backfill made it, which compares with no champion",)


def test_a_staged_version_is_one_whose_gate_has_not_opened(control: ControlStore) -> None:
    assert against(control, {"gate": {"passed": True}}, Stage.STAGING) == ("its gate has not opened",)


def test_a_version_that_a_person_offered_is_remembered(control: ControlStore) -> None:
    with control.transaction() as connection:
        control.append_audit(connection, "ann", "rollout.restore", "m", {"version": 3})
        control.append_audit(connection, "ann", "rollout.restore", "other", {"version": 4})
        assert offered_in(connection, "m") == {3}
