"""Measuring a trained model: on its own, against the champion, and never against what did not exist yet."""

from __future__ import annotations

import pytest

from include.versions.lifecycle import set_production
from include.versions.queries import records
from tests.support.nursery import Nursery
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import CheckGateOperator, EvaluateModelOperator, RegisterModelOperator
from tests.unit.operators.models.shop.orders import PER_DAY


def evaluate() -> EvaluateModelOperator:
    return EvaluateModelOperator(task_id="evaluate", model=MODEL)


def crowned(life: Life) -> None:
    """Version 1 is in production."""
    with life.services.control.transaction() as connection:
        set_production(connection, MODEL, 1)


def retrained(life: Life, **changes: object) -> Run:
    """A second model, trained on one day more."""
    life.land(day(5))
    life.publish(day(5))
    return life.trained(Run(run_id="manual__2", **changes))  # type: ignore[arg-type]


def test_the_first_version_has_nobody_to_beat(registered: Life, nursery: Nursery) -> None:
    value = registered.result(nursery.run().xcom["evaluate"]).value
    assert value["champion"] is None
    assert value["rows"] == PER_DAY
    assert value["metrics"]["auc"] > 0.8
    assert {row["slice"] for row in value["slices"]} == {"shelf"}
    assert value["gate"] == {"passed": True, "reasons": []}


def test_the_champion_is_measured_on_the_same_holdout(registered: Life) -> None:
    crowned(registered)
    run = retrained(registered)
    request = run.request(evaluate(), registered.services)
    assert request.inputs["champion"].digest != request.inputs["train"].digest
    value = registered.result(run.xcom["evaluate"]).value
    assert value["champion"]["auc"] > 0.8
    assert value["rows"] == PER_DAY


def test_the_threshold_that_serves_is_part_of_the_request_and_of_the_record(
    registered: Life, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = registered.services.spec(MODEL)
    (version,) = records(registered.services.control, MODEL)
    assert version.entry.threshold == spec.serving.threshold == 0.5
    run = nursery.run()
    before = run.request(evaluate(), registered.services)
    lower = spec.model_copy(update={"serving": spec.serving.model_copy(update={"threshold": 0.3})})
    monkeypatch.setattr(type(registered.services), "spec", lambda *_: lower)
    after = run.request(evaluate(), registered.services)
    assert (before.params["threshold"], after.params["threshold"]) == (0.5, 0.3)
    assert after.key != before.key


def test_the_champion_is_not_compared_with_itself(registered: Life, nursery: Nursery) -> None:
    crowned(registered)
    assert "champion" not in nursery.run().request(evaluate(), registered.services).inputs


def test_a_backfill_is_compared_with_nothing(registered: Life) -> None:
    crowned(registered)
    run = retrained(registered, run_type="backfill")
    assert "champion" not in run.request(evaluate(), registered.services).inputs
    assert registered.result(run.xcom["evaluate"]).value["champion"] is None


def test_the_report_is_linked(registered: Life, nursery: Nursery) -> None:
    operator, run = evaluate(), nursery.run()
    result = registered.result(run(operator))
    assert operator.links["Report"] == f"/slipstream/files/{result.files['report.html'].path}"
    assert "<html" in registered.path(result, "report.html").read_text()


SLOW = {"p50": 4e4, "p99": 9e4, "mean": 4e4}


def test_a_gate_that_latency_alone_closed_is_measured_again_when_the_task_is_cleared(
    published: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("include.evaluation.evaluate_step.measure_latency", lambda *_: SLOW)
        patch.setattr("include.evaluation.measure_again_step.measure_latency", lambda *_: SLOW)
        run = published.registered()
        assert not run.xcom["gate"]["passed"]
        first = published.result(run.xcom["evaluate"])
        still = published.result(run(evaluate()))  # cleared while it is slow still: one more look, and closed again
        assert (still.value["measured_again"], still.value["gate"]["passed"]) == (1, False)
    patched = pytest.MonkeyPatch()
    patched.setattr("include.evaluation.evaluate_step.run", lambda *_: pytest.fail("the evaluation is not computed anew"))
    opened = published.result(run(evaluate()))
    patched.undo()
    assert opened.value["gate"] == {"passed": True, "reasons": []}
    assert {name: opened.value[name] for name in ("metrics", "baselines", "slices")} == {
        name: first.value[name] for name in ("metrics", "baselines", "slices")
    }
    assert "The gate is open." in published.path(opened, "report.html").read_text()
    assert published.result(run(evaluate())).key == opened.key  # and that stands
    assert run(CheckGateOperator(task_id="gate", model=MODEL))["passed"]
    assert run(RegisterModelOperator(task_id="register", model=MODEL))["stage"] == "Candidate"
    assert [name for name, _ in run.sent] == ["shop_candidate"]


def test_a_gate_that_more_than_latency_closed_is_not_measured_again(published: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.evaluation.evaluate_step.measure_latency", lambda *_: SLOW)
    monkeypatch.setattr("include.problems.problem.Problem.measure", lambda *_, **__: {"auc": 0.1})
    run = published.trained()
    first = run.xcom["evaluate"]
    assert run(evaluate()) == first


def test_a_fresh_run_evaluates_anew(published: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("include.evaluation.evaluate_step.measure_latency", lambda *_: SLOW)
        run = published.trained()
    run.params["fresh"] = True
    value = published.result(run(evaluate())).value
    assert value["gate"]["passed"]
    assert "measured_again" not in value


def test_a_closed_gate_is_an_answer_not_a_failure(registered: Life, nursery: Nursery) -> None:
    """The version is still registered, for the record."""
    run = nursery.run()
    gate = {"passed": False, "reasons": ["auc 0.51 is below the floor"]}
    run.xcom["evaluate"] = registered.commit("evaluate", {"gate": gate}, {})
    assert run(CheckGateOperator(task_id="gate", model=MODEL)) == gate


def test_the_gate_says_what_a_thousand_predictions_cost(
    registered: Life, nursery: Nursery, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = nursery.run()
    value = {"gate": {"passed": True, "reasons": []}, "latency_ms": {"p50": 0.2, "p99": 0.3, "mean": 0.25}}
    run.xcom["evaluate"] = registered.commit("evaluate", value, {})
    run(CheckGateOperator(task_id="gate", model=MODEL))
    monkeypatch.setenv("SLIPSTREAM_COST_CPU_HOUR", "cheap")
    run(CheckGateOperator(task_id="gate", model=MODEL))
    said = capsys.readouterr().out
    assert "1,000 predictions take 0.25 s of one CPU, which costs unknown" in said
    assert "what that costs is unknown: SLIPSTREAM_COST_CPU_HOUR is no price." in said
