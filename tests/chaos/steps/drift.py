"""Row: drift decision to retrain. Every breach triggers, once: one decision a window, one training for its event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from include.core.control import decisions
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.versions.lifecycle import set_production
from operators.monitoring import CollectPredictionsOperator
from operators.training import PlanTrainingOperator
from tests.chaos.protocol import (
    Backends,
    Backfill,
    Cell,
    Clear,
    Cut,
    Down,
    Finding,
    Full,
    Locked,
    Lose,
    Overlap,
    Pause,
    State,
    Variant,
    kills,
)
from tests.chaos.steps.common import DAYS, PUBLISHED, Holdings, OperatorStep, compare, life, run_of
from tests.chaos.world import World
from tests.support.operator_runs import MODEL, Run, day
from tests.support.wired import BuildTrainingSetOperator, DecideRetrainingOperator, MonitorModelOperator
from tests.unit.operators.models.shop.orders import orders_of

WEEK = [day(DAYS + 1).isoformat(), day(DAYS + 3).isoformat()]
BEFORE = ("reconcile.begin", "control.taken", "control.once.begin")
MIDDLE = ("control.once.effect",)
RECORDED = ("control.once.committed",)
REPORTED = ("decide.sent", "reconcile.done")
OUTSIDE_LOCKS = (*BEFORE, *RECORDED, *REPORTED)
POSTGRES = Backends(control="postgres")


class Drift(OperatorStep):
    name = "drift"
    title = "drift decision to retrain"
    promise = "every breach triggers, once: one decision a window, one training set for its event"
    base = PUBLISHED
    tasks = ("decide",)
    cells: Mapping[str, Cell] = {
        "F1": kills(BEFORE, POSTGRES),
        "F2": kills(RECORDED, POSTGRES),
        "F3": kills(MIDDLE, POSTGRES),
        "F4": kills(REPORTED, POSTGRES),
        "F5": (Variant(Cut("control"), POSTGRES), Variant(Lose((*RECORDED, "decide.sent")))),
        "F6": (Variant(Full()),),
        "F7": (Variant(Pause(OUTSIDE_LOCKS)), Variant(Pause(OUTSIDE_LOCKS), POSTGRES)),
        "F8": (Variant(Overlap(OUTSIDE_LOCKS)), Variant(Overlap(OUTSIDE_LOCKS), POSTGRES)),
        "F9": (Variant(Clear()), Variant(Backfill()), Variant(Clear(), POSTGRES), Variant(Backfill(), POSTGRES)),
        "F10": (Variant(Down("control"), POSTGRES), Variant(Locked())),
    }

    def operator(self, task: str) -> Any:
        return DecideRetrainingOperator(task_id=task, model=MODEL)

    def prepare(self, world: World) -> dict[str, Any]:
        """Version 1 serves; two days of answers and their labels have come, and were judged."""
        shop = life()
        shop.registered()
        with shop.services.control.transaction() as connection:
            set_production(connection, MODEL, 1)
        log = PredictionLog(shop.services.settings.home, MODEL)
        for number in (DAYS + 1, DAYS + 2):
            shop.land(day(number))
            shop.publish(day(number))
            log.write([_record(row) for row in orders_of(day(number)).to_pylist()])
        log.close()
        run = run_of({"interval": WEEK, "run_type": "scheduled"})
        run(CollectPredictionsOperator(task_id="collect", model=MODEL))
        run(MonitorModelOperator(task_id="monitor", model=MODEL))
        return {"interval": WEEK, "run_type": "scheduled", "xcom": run.xcom}

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        """Every event is delivered, as Airflow does; what the training runs it starts make is what counts."""
        holdings = Holdings()
        sent = [event for run in runs for event in run["sent"]]
        for number, (_, extra) in enumerate(sent):
            training = Run(run_id=f"asset__{number}", event=dict(extra))
            with suppress(AirflowSkipException):  # the decision was trained on: an event may come twice
                training(PlanTrainingOperator(task_id="plan", model=MODEL))
                training(BuildTrainingSetOperator(task_id="build_training_set", model=MODEL))
        holdings = Holdings()
        state = holdings.state()
        return {
            **state,
            "decisions": holdings.rows(decisions, "key", "action", "reasons"),
            "events": sorted({extra["decision"] for _, extra in sent}),
            "trainings": sum(path.startswith("ledger/training_set/") for path in state["results"]),
            "returned": [run["xcom"]["decide"]["key"] for run in runs][:1],
        }

    def check(self, twin: State, seen: State) -> list[Finding]:
        findings = compare(twin, seen)
        if not seen["events"]:
            findings.append(Finding("lost", "the breach triggered nothing"))
        return findings


def _record(order: dict[str, Any]) -> Record:
    """The answer to one order."""
    price = order["price"]
    features = {"mean_price": 20 + price / 2, "bought": 1 + price % 3, "price": price, "shelf": order["shelf"]}
    written = (order["ordered_at"] + timedelta(seconds=1)).isoformat()
    return Record(
        kind="prediction", id=order["id"], at=written, event_time=order["ordered_at"].isoformat(), unit=order["customer"],
        features=features, version=1, arm="champion", score=min(0.99, price / 80), generation=1,
    )  # fmt: skip


STEP = Drift()
