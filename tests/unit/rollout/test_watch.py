"""A look at a live stage: from log files and control store to a decision that can be recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.spec import ModelSpec
from include.rollout import watch
from include.rollout.history import entered
from include.rollout.machine import enter_stage, open_rollout, record_verdict, roll_back
from include.serving.log import PredictionLog, Record, timestamp


@pytest.fixture
def settled(control: ControlStore, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A rollout in its shadow stage, in the home folder that `look` finds by itself."""
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPSTREAM_CONTROL_URL", control.url)
    monkeypatch.setattr(watch, "load_spec", lambda name, package: spec)
    with control.transaction() as connection:
        from include.rollout.route import Route, set_route

        set_route(connection, "toy", Route(champion=1))
    rollout = open_rollout(control, spec, 2, request="r", actor="t", epoch=1)
    enter_stage(control, rollout, "smoke", 1)
    record_verdict(control, rollout, "smoke", {"answer": "promote"}, 1)
    enter_stage(control, rollout, "shadow", 1)
    return rollout.id


def write_pairs(home: Path, generation: int, n: int, score: float) -> None:
    log = PredictionLog(home, "toy")
    log.write(
        [
            Record(kind="shadow", id=str(k), at=timestamp(), unit=str(k), generation=generation, score=score, against=0.5)
            for k in range(n)
        ]
    )
    log.close()


def test_a_stage_without_traffic_is_looked_at_again(settled: str) -> None:
    assert watch.look(rollout=settled, model="toy", stage="shadow") is None


def test_a_decision_carries_its_evidence_and_is_recorded_once(settled: str, control: ControlStore, tmp_path: Path) -> None:
    rollout = watch.read_rollout(control, settled)
    _, generation = entered(control, rollout, "shadow")
    write_pairs(tmp_path, generation, 20, 0.52)
    decision = watch.look(rollout=settled, model="toy", stage="shadow")
    assert decision is not None
    assert decision["answer"] == "promote"
    assert decision["evidence"]["challenger"]["requests"] == 20
    assert watch.recompute(decision).answer == "promote"
    assert record_verdict(control, rollout, "shadow", decision, 1) == "promote"


def test_a_rollout_ended_by_another_hand_ends_the_watch(settled: str, control: ControlStore) -> None:
    roll_back(control, watch.read_rollout(control, settled), reason="abort", actor="ada", epoch=1)
    decision = watch.look(rollout=settled, model="toy", stage="shadow")
    assert decision is not None
    assert decision["answer"] == "roll_back"
    assert "abort" in decision["reasons"][0]
