"""A look at a live stage: from log files and control store to a decision that can be recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from include.rollout.accumulator_store import load_accumulator, save_accumulator

from include.core.control import ControlStore
from include.core.errors import ConflictError
from include.core.settings import Settings
from include.core.spec import ModelSpec, Regression
from include.core.time import precise
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.rollout import stage_evaluation as evaluation
from include.rollout.baseline import LABELS
from include.rollout.evidence_accumulator import EvidenceAccumulator
from include.rollout.history import entered, paused_for
from include.rollout.machine import enter_stage, open_rollout, record_alert, record_verdict, roll_back
from include.rollout.pause import abort, pause, resume
from include.routing.entity_hash import unit
from include.routing.route import Route, read_route, set_route


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


def write_pairs(home: Path, generation: int, n: int, score: float) -> None:
    log = PredictionLog(home, "toy")
    log.write(
        [
            Record(kind="shadow", id=str(k), at=precise(), unit=str(k), generation=generation, score=score, against=0.5)
            for k in range(n)
        ]
    )
    log.close()


def test_a_stage_without_traffic_is_looked_at_again(settled: str) -> None:
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="shadow") is None


def test_a_decision_carries_its_evidence_and_is_recorded_once(settled: str, control: ControlStore, tmp_path: Path) -> None:
    rollout = evaluation.read_rollout(control, settled)
    _, generation = entered(control, rollout, "shadow")
    write_pairs(tmp_path, generation, 20, 0.52)
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
    write_pairs(home, entered(control, rollout, "shadow")[1], 20, 0.52)
    decided = evaluation.evaluate_stage(rollout=rollout_id, model="toy", stage="shadow")
    assert decided is not None
    record_verdict(control, rollout, "shadow", decided, 1)
    return rollout, enter_stage(control, rollout, "canary_5", 1)


def write_answers(home: Path, generation: int, n: int, failing: tuple[str, ...] = (), salt: str = "") -> None:
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


def test_each_record_counts_once_however_often_one_looks(settled: str, control: ControlStore, tmp_path: Path) -> None:
    rollout, generation = canary(control, tmp_path, settled)
    for part in range(3):
        write_answers(tmp_path, generation, 100, salt=f"p{part}-")
        for _ in range(2):
            assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") is None
    seq, accumulator = load_accumulator(control, settled)
    assert accumulator.stage is not None
    seen = accumulator.stage.evidence()
    assert seen.champion.requests + seen.challenger.requests == 300
    assert not save_accumulator(control, settled, "canary_5", seq - 1, accumulator)  # a look that was overtaken stores nothing
    assert not save_accumulator(control, settled, "shadow", seq, accumulator)  # nor does one of a stage that is over
    assert load_accumulator(control, settled)[0] == seq
    again = evaluation.read_and_judge(
        control, evaluation.load_spec("toy", ""), rollout, "canary_5", Settings.from_env(), datetime.now(UTC)
    )
    assert again[2] == seen


def test_a_look_that_dies_before_it_has_stored_what_it_read_loses_and_doubles_nothing(
    settled: str, control: ControlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, generation = canary(control, tmp_path, settled)
    write_answers(tmp_path, generation, 100, salt="first")
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") is None
    write_answers(tmp_path, generation, 100, salt="second")

    def killed(*given: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(evaluation, "save_accumulator", killed)
        with pytest.raises(KeyboardInterrupt):
            evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5")
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") is None
    _, accumulator = load_accumulator(control, settled)
    assert accumulator.stage is not None
    assert accumulator.stage.evidence().clock == 200


def test_a_pause_holds_the_promotion_and_not_the_rollback(settled: str, control: ControlStore, tmp_path: Path) -> None:
    rollout, generation = canary(control, tmp_path, settled)
    pause(control, "toy", actor="ada", reason="lunch")
    assert pause(control, "toy", actor="ada", reason="lunch again").state == "paused"
    write_answers(tmp_path, generation, 2500)
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") is None
    assert evaluation.resumed(rollout=settled) is None
    with pytest.raises(ConflictError, match=r"(?s)is paused: lunch.*slipstream rollout resume toy"):
        record_verdict(control, rollout, "canary_5", {"answer": "promote"}, 1)
    resume(control, "toy", actor="ada", reason="back")
    assert evaluation.resumed(rollout=settled) is True
    decided = evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5")
    assert decided is not None
    assert decided["answer"] == "promote"
    pause(control, "toy", actor="ada", reason="tea")
    write_answers(tmp_path, generation, 1500, ("challenger",), salt="bad")
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
    verdict, _, _ = evaluation.read_and_judge(control, spec, rollout, "shadow", Settings.from_env(), start + timedelta(hours=1))
    assert verdict.answer == "insufficient"
    resume(control, "toy", actor="ada", reason="back")
    verdict, plan, evidence = evaluation.read_and_judge(
        control, spec, rollout, "shadow", Settings.from_env(), start + timedelta(hours=1)
    )
    assert (verdict.answer, verdict.reasons[0]) == ("roll_back", "not enough evidence within 0:30:00 (at_deadline=roll_back)")
    stored = {**verdict.to_json(), "plan": plan.to_json(), "evidence": evidence.to_json()}
    assert evaluation.recompute(stored) == verdict


def test_an_incident_of_both_arms_pages_once_and_outlasts_the_deadline(
    settled: str, control: ControlStore, tmp_path: Path
) -> None:
    rollout, generation = canary(control, tmp_path, settled)
    write_answers(tmp_path, generation, 1000, ("champion", "challenger"))
    held = evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5")
    assert held is not None
    assert held["answer"] == "hold"
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") == held  # until somebody was paged
    record_alert(control, rollout, "canary_5", held, 1)
    record_alert(control, rollout, "canary_5", held, 1)
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="canary_5") is None
    late = datetime.now(UTC) + timedelta(days=1)
    spec = evaluation.load_spec("toy", "")
    assert evaluation.read_and_judge(control, spec, rollout, "canary_5", Settings.from_env(), late)[0].answer == "insufficient"


def test_abort_ends_the_live_rollout_and_only_that(settled: str, control: ControlStore) -> None:
    assert evaluation.evaluate_stage(rollout=settled, model="toy", stage="shadow") is None
    seq, accumulator = load_accumulator(control, settled)
    assert seq == 1
    done = abort(control, "toy", actor="ada", reason="wrong version")
    assert (done.gone, done.serving) == (2, 1)
    assert load_accumulator(control, settled)[0] == 0  # what was read is forgotten, and a late look does not bring it back
    assert not save_accumulator(control, settled, "shadow", 0, accumulator)
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
    record_verdict(control, rollout, "shadow", {"answer": "promote"}, 1)
    enter_stage(control, rollout, "canary_5", 1)
    accumulator = EvidenceAccumulator()
    accumulator.baseline.labels = LABELS
    evaluation.begin_stage(control, asked(begun_with), rollout, "canary_5", accumulator)
    assert accumulator.stage is not None
    assert (accumulator.problem, accumulator.stage.problem) == (Regression(scale=5.0), Regression(scale=5.0))
    assert accumulator.stage.limits == {"loss_p50": 5.0}
    _, plan, _ = evaluation.judge_accumulated(control, asked(1.5), rollout, accumulator, datetime.now(UTC))
    assert (plan.label_margin, plan.labels) == ((1.5, ("loss_p50",)) if begun_with else (None, ()))
