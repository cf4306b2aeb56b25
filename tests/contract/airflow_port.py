"""Run by test_airflow_port.py in a process of its own: a task asks Airflow's real execution API through the reconciler's port.

Airflow's own database lies in AIRFLOW_HOME; no server runs. Prints one JSON object, the answers by name.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, BaseOperator, Context, Param
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import select

from include.core.errors import SlipstreamError
from operators.reconcile import TaskAirflow

TARGET = "target"
ANSWERS: dict[str, Any] = {}


class Ask(BaseOperator):
    """Everything that the port can ask, in the order of a run's life."""

    def execute(self, context: Context) -> None:
        airflow = TaskAirflow(context["ti"])
        ANSWERS["paused"] = [airflow.paused(TARGET), airflow.paused("gone")]
        with create_session() as session:
            session.get(DagModel, TARGET).is_paused = False
        ANSWERS["unpaused"] = airflow.paused(TARGET)
        ANSWERS["nothing yet"] = [airflow.run(TARGET, "r1"), airflow.unfinished(TARGET), airflow.waiting(TARGET, "one")]
        ANSWERS["made"] = [airflow.trigger(TARGET, "r1", {"version": 2, "words": "more"}) for _ in range(2)]
        ANSWERS["queued"] = [airflow.run(TARGET, "r1"), airflow.unfinished(TARGET), sorted(airflow.tasks(TARGET, "r1"))]
        self._set(DagRunState.RUNNING, TaskInstanceState.DEFERRED)
        ANSWERS["running"] = [airflow.run(TARGET, "r1"), airflow.waiting(TARGET, "one"), dict(airflow.tasks(TARGET, "r1"))]
        self._set(DagRunState.FAILED, TaskInstanceState.FAILED)
        ANSWERS["failed"] = [airflow.run(TARGET, "r1"), airflow.unfinished(TARGET), airflow.waiting(TARGET, "one")]
        with create_session() as session:
            ANSWERS["conf"] = session.scalar(select(DagRun.conf).where(DagRun.run_id == "r1"))
            session.delete(session.scalar(select(DagRun).where(DagRun.run_id == "r1")))
        ANSWERS["deleted"] = [airflow.run(TARGET, "r1"), airflow.unfinished(TARGET), dict(airflow.tasks(TARGET, "r1"))]
        ANSWERS["refused"] = [_refused(airflow, "gone", {}), _refused(airflow, TARGET, {"version": "no number"})]

    def _set(self, run: DagRunState, task: TaskInstanceState) -> None:
        with create_session() as session:
            found = session.scalar(select(DagRun).where(DagRun.run_id == "r1"))
            found.state = run
            for instance in found.task_instances:
                instance.state = task if instance.task_id == "one" else None


def _refused(airflow: TaskAirflow, dag_id: str, conf: dict[str, Any]) -> list[str]:
    try:
        return [str(airflow.trigger(dag_id, "r2", conf))]
    except SlipstreamError as error:
        return [type(error).__name__, error.what]


def main() -> int:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with DAG(TARGET, schedule=None, start_date=start, params={"version": Param(None, type=["null", "integer"])}) as target:
        EmptyOperator(task_id="one") >> EmptyOperator(task_id="two")
    with DAG("asking", schedule=None, start_date=start) as asking:
        Ask(task_id="ask")
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder="/dev/null")
    for dag in (target, asking):
        bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    state = asking.test().state
    print(json.dumps({**ANSWERS, "state": str(getattr(state, "value", state))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
