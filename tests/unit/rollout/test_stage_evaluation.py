"""A look at a live stage: from log files and control store to a decision that can be recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, rollout_folds, rollout_parts, rollout_sources, rollout_stages
from include.core.errors import ConflictError
from include.core.spec import ModelSpec, Regression
from include.core.time import precise
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.rollout import stage_evaluation as evaluation
from include.rollout.after_verdict import resumed
from include.rollout.baseline import LABELS
from include.rollout.evidence_look import begin_stage, look
from include.rollout.history import entered, live_rollout, paused_for
from include.rollout.machine import enter_stage, open_rollout, record_alert, record_verdict, roll_back
from include.rollout.pause import abort, pause, resume
from include.routing.entity_hash import unit
from include.routing.route import Route, read_route, set_route
from tests.support.evidence import begun_and_published, publish


@pytest.fixture
def settled(control: ControlStore, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A rollout in its shadow stage, in the home folder that `look` finds by itself."""
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPSTREAM_CONTROL_URL", control.url)
    monkeypatch.setattr(evaluation, "load_spec", lambda name, package: spec)
    with control.transaction() as connection:
        set_route(connection, "toy", Route(champion=1))
    rollout = open_rollout(control, spec, 2, request="r", actor="t", epoch=1)
    enter_stage(control, rollout, "smoke", 1)
    record_verdict(control, rollout, "smoke", {"answer": "promote"}, 1)
    enter_stage(control, rollout, "shadow", 1)
    return rollout.id


def write_pairs(control: ControlStore, home: Path, generation: int, n: int, score: float) -> None:
    log = PredictionLog(home, "toy")
    log.write(
        [
            Record(kind="shadow", id=str(k), at=precise(), unit=str(k), generation=generation, score=score, against=0.5)
            for k in range(n)
        ]
    )
    log.close()
    told(control, home)


def told(control: ControlStore, home: Path) -> None:
    """The gateway publishes what it has written."""
    rollout = live_rollout(control, "toy")
    assert rollout is not None
    begun_and_published(control, evaluation.load_spec("toy", ""), rollout.id, rollout.stage, home)


def test_a_stage_without_traffic_is_looked_at_again(settled: str) -> None:
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="shadow") is None


def test_a_decision_carries_its_evidence_and_is_recorded_once(settled: str, control: ControlStore, tmp_path: Path) -> None:
    rollout = evaluation.read_rollout(control, settled)
    _, generation = entered(control, rollout, "shadow")
    write_pairs(control, tmp_path, generation, 20, 0.52)
    decision = evaluation.evaluate_stage(rollout=settled, model="toy", stage="shadow")
    assert decision is not None
    assert decision["answer"] == "promote"
    assert decision["evidence"]["challenger"]["requests"] == 20
    assert evaluation.recompute(decision).answer == "promote"
    assert record_verdict(control, rollout, "shadow", decision, 1) == "promote"


def test_a_rollout_ended_by_somebody_else_ends_the_evaluation(settled: str, control: ControlStore) -> None:
    roll_back(control, evaluation.read_rollout(control, settled), reason="abort", actor="ada", epoch=1)
    decision = evaluation.evaluate_stage(rollout=settled, model="toy", stage="shadow")
    assert decision is not None
    assert decision["answer"] == "roll_back"
    assert "abort" in decision["reasons"][0]


def canary(control: ControlStore, home: Path, rollout_id: str) -> tuple[evaluation.Rollout, int]:
    """From the shadow stage into canary_5; the route's generation there."""
    rollout = evaluation.read_rollout(control, rollout_id)
    write_pairs(control, home, entered(control, rollout, "shadow")[1], 20, 0.52)
    decided = evaluation.evaluate_stage(rollout=rollout_id, model="toy", stage="shadow")
    assert decided is not None
    record_verdict(control, rollout, "shadow", decided, 1)
    return rollout, enter_stage(control, rollout, "canary_5", 1)


def write_answers(
    control: ControlStore, home: Path, generation: int, n: int, failing: tuple[str, ...] = (), salt: str = ""
) -> None:
    log = PredictionLog(home, "toy")
    route = Route(champion=1, challenger=2, weight=5)
    for k in range(n):
        key = unit(f"{salt}{k}", "toy")
        arm = route.arm(key)
        log.write([
            Record(kind="prediction", id=f"{salt}{k}", at=precise(), unit=f"{key:016x}", arm=arm, generation=generation,
                   score=0.5, error="boom" if arm in failing and k % 3 == 0 else None)
        ])  # fmt: skip
    log.close()
    told(control, home)


def test_each_record_counts_once_however_often_one_looks(settled: str, control: ControlStore, tmp_path: Path) -> None:
    rollout, generation = canary(control, tmp_path, settled)
    for part in range(3):
        write_answers(control, tmp_path, generation, 100, salt=f"p{part}-")
        for _ in range(2):
            assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") is None
    spec = evaluation.load_spec("toy", "")
    _, _, seen = evaluation.read_and_judge(control, spec, rollout, "canary_5", datetime.now(UTC))
    assert seen.champion.requests + seen.challenger.requests == 300
    told(control, tmp_path)
    assert evaluation.read_and_judge(control, spec, rollout, "canary_5", datetime.now(UTC))[2] == seen


def test_a_pause_holds_the_promotion_and_not_the_rollback(settled: str, control: ControlStore, tmp_path: Path) -> None:
    rollout, generation = canary(control, tmp_path, settled)
    pause(control, "toy", actor="ada", reason="lunch")
    assert pause(control, "toy", actor="ada", reason="lunch again").state == "paused"
    write_answers(control, tmp_path, generation, 2500)
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") is None
    assert resumed(rollout=settled) is None
    with pytest.raises(ConflictError, match=r"(?s)is paused: lunch.*slipstream rollout resume toy"):
        record_verdict(control, rollout, "canary_5", {"answer": "promote"}, 1)
    resume(control, "toy", actor="ada", reason="back")
    assert resumed(rollout=settled) is True
    decided = evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5")
    assert decided is not None
    assert decided["answer"] == "promote"
    pause(control, "toy", actor="ada", reason="tea")
    write_answers(control, tmp_path, generation, 1500, ("challenger",), salt="bad")
    decided = evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5")
    assert decided is not None
    assert record_verdict(control, rollout, "canary_5", decided, 1) == decided["answer"] == "roll_back"
    assert read_route(control, "toy")[1] == Route(champion=1)
    assert evaluation.recompute(decided).to_json() == {key: decided[key] for key in ("answer", "reasons", "numbers")}


def test_the_deadline_stands_still_while_paused(settled: str, control: ControlStore) -> None:
    rollout = evaluation.read_rollout(control, settled)
    pause(control, "toy", actor="ada", reason="lunch")
    start = datetime.now(UTC)
    assert paused_for(control, rollout, "shadow", start + timedelta(hours=1)) >= timedelta(hours=1)
    spec = evaluation.load_spec("toy", "")
    verdict, _, _ = evaluation.read_and_judge(control, spec, rollout, "shadow", start + timedelta(hours=1))
    assert verdict.answer == "insufficient"
    resume(control, "toy", actor="ada", reason="back")
    verdict, plan, evidence = evaluation.read_and_judge(control, spec, rollout, "shadow", start + timedelta(hours=1))
    late = "not enough evidence within 0:30:00 (at_deadline=roll_back)"
    assert (verdict.answer, verdict.reasons[0]) == ("roll_back", f"{late}; {evaluation.SILENT}")
    stored = {**verdict.to_json(), "plan": plan.to_json(), "evidence": evidence.to_json()}
    assert evaluation.recompute(stored) == verdict


def test_an_incident_of_both_arms_pages_once_and_outlasts_the_deadline(
    settled: str, control: ControlStore, tmp_path: Path
) -> None:
    rollout, generation = canary(control, tmp_path, settled)
    write_answers(control, tmp_path, generation, 1000, ("champion", "challenger"))
    held = evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5")
    assert held is not None
    assert held["answer"] == "hold"
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") == held  # until somebody was paged
    record_alert(control, rollout, "canary_5", held, 1)
    record_alert(control, rollout, "canary_5", held, 1)
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") is None
    late = datetime.now(UTC) + timedelta(days=1)
    spec = evaluation.load_spec("toy", "")
    assert evaluation.read_and_judge(control, spec, rollout, "canary_5", late)[0].answer == "insufficient"


def test_a_deadline_names_silent_gateways_only_where_none_has_reported(
    settled: str, control: ControlStore, tmp_path: Path
) -> None:
    rollout, late = evaluation.read_rollout(control, settled), datetime.now(UTC) + timedelta(hours=1)
    told(control, tmp_path)  # a gateway is there, and has had no traffic
    verdict, plan, evidence = evaluation.read_and_judge(control, evaluation.load_spec("toy", ""), rollout, "shadow", late)
    assert verdict.reasons[0] == "not enough evidence within 0:30:00 (at_deadline=roll_back)"
    stored = {**verdict.to_json(), "plan": plan.to_json(), "evidence": evidence.to_json()}
    assert evaluation.recompute(stored) == verdict


def test_abort_ends_the_live_rollout_and_only_that(settled: str, control: ControlStore, tmp_path: Path) -> None:
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="shadow") is None
    told(control, tmp_path)
    done = abort(control, "toy", actor="ada", reason="wrong version")
    assert (done.gone, done.serving) == (2, 1)
    publish(control, tmp_path)  # what was published is forgotten, and a late agent does not bring it back
    with control.engine.begin() as connection:
        for table in (rollout_stages, rollout_sources, rollout_parts, rollout_folds):
            assert connection.execute(sa.select(table)).all() == []
    for act in (abort, pause, resume):
        with pytest.raises(ConflictError, match=r"(?s)toy has no live rollout.*slipstream rollback toy"):
            act(control, "toy", actor="ada", reason="again")


@pytest.mark.parametrize("begun_with", [None, 1.5])
def test_a_stage_asks_for_labels_as_it_was_begun(
    settled: str, control: ControlStore, spec: ModelSpec, tmp_path: Path, begun_with: float | None
) -> None:
    """A margin that the spec gets in the middle of a stage counts from the next one on: its first labels have gone by."""

    def asked(margin: float | None) -> ModelSpec:
        rollout = spec.rollout.model_copy(update={"label_margin": margin})
        return spec.model_copy(update={"problem": Regression(scale=5.0), "rollout": rollout})

    rollout = evaluation.read_rollout(control, settled)
    begin_stage(control, asked(begun_with), rollout, "shadow")
    log = PredictionLog(tmp_path, "toy")
    log.write([Record(kind="label", id=str(k), at=precise(), label=1.0) for k in range(LABELS)])
    log.close()
    publish(control, tmp_path)
    record_verdict(control, rollout, "shadow", {"answer": "promote"}, 1)
    enter_stage(control, rollout, "canary_5", 1)
    begin_stage(control, asked(begun_with), rollout, "canary_5")
    begin_stage(control, asked(2.5), rollout, "canary_5")  # it stays as it was begun
    seen = look(control, settled)
    assert seen.merge.terms.problem == Regression(scale=5.0)
    assert seen.merge.terms.limits == {"loss_p50": 5.0}
    _, plan, _ = evaluation.judge_merged(control, asked(1.5), rollout, seen, datetime.now(UTC))
    assert (plan.label_margin, plan.labels) == ((1.5, ("loss_p50",)) if begun_with else (None, ()))
