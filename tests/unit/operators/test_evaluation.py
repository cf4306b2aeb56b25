"""Measuring a trained model: on its own, against the champion, and never against what did not exist yet."""

from __future__ import annotations

from include.rollout.machine import crown
from operators.evaluation import CheckGateOperator, EvaluateModelOperator
from tests.unit.operators.life import MODEL, Life, Run, day
from tests.unit.operators.models.shop.orders import PER_DAY
from tests.unit.operators.nursery import Nursery


def evaluate() -> EvaluateModelOperator:
    return EvaluateModelOperator(task_id="evaluate", model=MODEL)


def crowned(life: Life) -> None:
    """Version 1 is in production."""
    with life.services.control.transaction() as connection:
        crown(connection, MODEL, 1)


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
    request = evaluate().build(run.context("evaluate"), registered.services)
    assert request.inputs["champion"].digest != request.inputs["train"].digest
    value = registered.result(run.xcom["evaluate"]).value
    assert value["champion"]["auc"] > 0.8
    assert value["rows"] == PER_DAY


def test_the_champion_is_not_compared_with_itself(registered: Life, nursery: Nursery) -> None:
    crowned(registered)
    assert "champion" not in evaluate().build(nursery.run().context("evaluate"), registered.services).inputs


def test_a_backfill_is_compared_with_nothing(registered: Life) -> None:
    crowned(registered)
    run = retrained(registered, run_type="backfill")
    assert "champion" not in evaluate().build(run.context("evaluate"), registered.services).inputs
    assert registered.result(run.xcom["evaluate"]).value["champion"] is None


def test_the_report_is_linked(registered: Life, nursery: Nursery) -> None:
    operator, run = evaluate(), nursery.run()
    result = registered.result(run(operator))
    assert operator.links["Report"] == f"/slipstream/files/{result.files['report.html'].path}"
    assert "<html" in registered.path(result, "report.html").read_text()


def test_a_closed_gate_is_an_answer_not_a_failure(registered: Life, nursery: Nursery) -> None:
    """The version is still registered, for the record."""
    run = nursery.run()
    gate = {"passed": False, "reasons": ["auc 0.51 is below the floor"]}
    run.xcom["evaluate"] = registered.commit("evaluate", {"gate": gate}, {})
    assert run(CheckGateOperator(task_id="gate", model=MODEL)) == gate
