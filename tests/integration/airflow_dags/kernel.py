"""The kernel's two operators in DAGs of their own, for a real scheduler, triggerer and dag processor from Airflow."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from airflow.sdk import DAG, Asset, AssetAlias, AssetWatcher, Context, CronDataIntervalTimetable, ExceptionRetryPolicy, Param

from include.core.errors import DataError
from include.core.partition import DAILY
from include.core.request import Json, Request
from include.services.services import Services
from operators.alert import FailureNotifier
from operators.assets import candidate_asset
from operators.base import ComputeOperator, ReconcileOperator, SlipstreamOperator
from operators.lifecycle import RETRIES, RETRYING, TIMEZONE
from operators.run import may_deploy, run_partition
from operators.triggers import QuestionTrigger
from operators.watchers import LandingTrigger
from tests.support.airflow_steps import mark

STEPS = "tests.support.airflow_steps"
SOON = timedelta(seconds=1)
# The product's own rules; only the wait before a retry is shorter, unless the product's own is asked for.
POLICY = ExceptionRetryPolicy(rules=[replace(rule, retry_delay=rule.retry_delay and SOON) for rule in RETRIES.rules])
QUICK = {"retries": 3, "retry_delay": SOON, "retry_policy": POLICY}
SHIPPED = os.environ.get("SLIPSTREAM_TEST_RETRIES") == "shipped"


class MarkOperator(ComputeOperator):
    """Computes a request that is named by the run's parameter `name` and by its task."""

    step = "marked"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(model="kernel", poll_seconds=0.5, **kwargs)

    def build(self, context: Context, services: Services) -> Request:
        name = context["params"]["name"]
        params = {"name": f"{name}-{self.task_id}", "gate": f"{name}.open"}
        return Request.of(self.step, self.function, self.model, params=params, inputs={})


class CountOperator(MarkOperator):
    function = f"{STEPS}:count"


class HoldOperator(MarkOperator):
    function = f"{STEPS}:hold"


class RefuseOperator(MarkOperator):
    function = f"{STEPS}:refuse"


class StumbleOperator(MarkOperator):
    function = f"{STEPS}:stumble"


class ShiftOperator(ReconcileOperator):
    """Its effect on the world is the mark: one for each name, ever."""

    def resource(self, context: Context) -> str:
        return f"kernel/{context['params']['name']}"  # other runs of this DAG are about other worlds

    def reconcile(self, context: Context, services: Services, epoch: int) -> Json:
        name = f"{context['params']['name']}-{self.task_id}"

        def effect(connection: object) -> dict[str, Json]:
            mark(services.settings.home, name, str(epoch))
            return {"epoch": epoch}

        result, happened = services.control.once(f"shift/{name}", self.resource(context), epoch, effect)
        return {**result, "happened": happened, "taken": epoch}


class AskOperator(SlipstreamOperator):
    """Defers to the trigger that the rollout's stages wait with."""

    def execute(self, context: Context) -> None:
        question = QuestionTrigger(f"{STEPS}:answer", {"name": f"{context['params']['name']}.open"}, 240, 0.5)
        self.defer(trigger=question, method_name="resume")

    def resume(self, context: Context, event: dict[str, Any]) -> Json:
        return event["answer"]


class AnnounceOperator(ReconcileOperator):
    """Sends the candidate event as RegisterModelOperator does: through an alias, when the run may deploy."""

    alias: ClassVar[str] = "kernel_registered"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(model="kernel", outlets=[AssetAlias(self.alias)], **kwargs)

    def resource(self, context: Context) -> str:
        return "kernel/registry"

    def reconcile(self, context: Context, services: Services, epoch: int) -> Json:
        if may_deploy(context):
            context["outlet_events"][AssetAlias(self.alias)].add(candidate_asset("kernel"), extra={"version": epoch})
        return {"sent": may_deploy(context)}


class DayOperator(SlipstreamOperator):
    """The day that the event is about; and a failure with it, for the notifier."""

    def execute(self, context: Context) -> Json:
        day = run_partition(context, DAILY).name
        if self.task_id == "fails":
            raise DataError(f"Nobody wants {day}.")
        return day


def _dag(dag_id: str, schedule: Any = None) -> DAG:
    return DAG(
        dag_id,
        schedule=schedule,
        start_date=datetime(2020, 1, 1, tzinfo=UTC) if schedule is None else datetime(2020, 1, 1, tzinfo=TIMEZONE),
        catchup=False,
        params={"name": Param("none", type="string"), "fresh": Param(False, type="boolean")},
        default_args=RETRYING if SHIPPED else QUICK,
    )


with _dag("kernel") as kernel:
    HoldOperator(task_id="deferred", where="job")
    HoldOperator(task_id="polling", where="job", deferrable=False)
    CountOperator(task_id="in_process")
    ShiftOperator(task_id="reconcile", model="kernel")

with _dag("kernel_errors") as kernel_errors:
    RefuseOperator(task_id="refuse", where="job")
    StumbleOperator(task_id="stumble", where="job")
    AskOperator(task_id="ask", model="kernel")

for dag_id in ("kernel_events", "kernel_deploys"):  # Airflow runs one backfill of a DAG at a time
    with _dag(dag_id, CronDataIntervalTimetable("0 0 1 * *", timezone=TIMEZONE)) as monthly:
        AnnounceOperator(task_id="announce")
    globals()[dag_id] = monthly

# The product's watcher on a model of the project: nothing publishes what lands here, so each day is told once an hour.
LANDED = Asset("kernel_landed", watchers=[AssetWatcher(name="days", trigger=LandingTrigger("flight_delay", "day", 0.5))])
with _dag("kernel_watching", [LANDED]) as watching:
    DayOperator(task_id="day", model="kernel")
    DayOperator(task_id="fails", model="kernel", on_failure_callback=FailureNotifier("kernel"))
