"""`slipstream reconcile`: what the reconciler finds, and with it what it does. The same as the DAG slipstream_reconcile.

With a connection to Airflow it asks there; without, it says what it cannot know. Alerts are sent by the DAG's next run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from include.backends.airflow.client import AirflowClient
from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import Exit, found
from include.core.errors import JobFailedError, NotReadyError, TransientError, UnreachableError
from include.core.request import Json
from include.core.time import now
from include.reconcile.airflow import OVER, Airflow, NoAirflow, RunState
from include.reconcile.run import Report, reconcile
from include.reconcile.world import World

T = TypeVar("T")

SHAPES: Shapes = {
    "": {
        "found": "what is amiss: `kind`, `key`, `model`, `words`, `remedy`", "changed": "the keys of what was mended",
        "unknown": "what could not be looked at, and why",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what is found, and change nothing")


def run(options: argparse.Namespace) -> int:
    """FOUND where a dry run found anything; RETRY, or ERROR, where something could not be looked at."""
    context = open_context()
    report = reconcile(_world(context), dry_run=options.dry_run)
    answer(options, report.to_json(), _text(report, options.dry_run))
    if report.unknown:
        return Exit.RETRY if all(isinstance(each, TransientError) for each in report.unknown.values()) else Exit.ERROR
    return found(options.dry_run and report.found)


def _text(report: Report, dry_run: bool) -> str:
    lines = [
        line
        for finding in report.found
        for line in (f"{finding.kind}: {finding.summary}", f"  {'would be' if dry_run else 'remedy'}: {finding.remedy}")
    ]
    lines += [] if report.found else ["Nothing is amiss in what could be looked at." if report.unknown else "Nothing is amiss."]
    for name, error in report.unknown.items():
        lines += [f"not known of the {name}: {error.what}", *([f"  next: {error.hint}"] if error.hint else [])]
    if report.changed:
        lines.append(f"{len(report.changed)} changed; the DAG slipstream_reconcile sends the alerts.")
    return "\n".join(lines)


def _world(context: CliContext) -> World:
    return World(
        context.settings, context.control, context.ledger, _airflow(context), context.jobs, context.spec,
        tuple(context.model_names()),
        now(), context.actor, context.elsewhere, context.owner, tuple(context.feature_set_names()),
    )  # fmt: skip


def _airflow(context: CliContext) -> Airflow:
    client = context.airflow()
    return RestAirflow(client) if client is not None else NoAirflow()


class RestAirflow:
    """The port `include.reconcile.airflow.Airflow` over Airflow's REST API, with the connection's login."""

    def __init__(self, client: AirflowClient) -> None:
        self._client = client
        self._away: UnreachableError | None = None

    def paused(self, dag_id: str) -> bool | None:
        found = self._find(f"/dags/{quote(dag_id, safe='')}")
        return bool(found["is_paused"]) if found is not None else None

    def run(self, dag_id: str, run_id: str) -> RunState:
        found = self._find(f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}")
        return RunState(found["state"]) if found is not None else RunState.GONE

    def tasks(self, dag_id: str, run_id: str) -> Mapping[str, str]:
        states = self._ask(lambda: self._client.tasks(quote(dag_id, safe=""), quote(run_id, safe="")))
        return {task: "" if state == "waiting" else state for task, state in states.items()}

    def unfinished(self, dag_id: str) -> int:
        found = self._find(f"/dags/{quote(dag_id, safe='')}/dagRuns?state=queued&state=running&limit=1")
        return int(found["total_entries"]) if found is not None else 0

    def waiting(self, dag_id: str, task_id: str) -> int:
        runs = self._ask(self._client.unfinished)
        return sum(dag == dag_id and tasks.get(task_id, "success") not in OVER for dag, _, tasks in runs)

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Json]) -> bool:
        if self.run(dag_id, run_id) is not RunState.GONE:
            return False
        try:
            self._ask(lambda: self._client.trigger_as(dag_id, run_id, conf))
        except JobFailedError as error:
            if self.run(dag_id, run_id) is not RunState.GONE:  # another one was faster
                return False
            raise NotReadyError(f"Airflow makes no run of {dag_id}: {error.what}", seen=error.seen) from error
        return True

    def _find(self, path: str) -> dict[str, Any] | None:
        return self._ask(lambda: self._client.find(path))

    def _ask(self, call: Callable[[], T]) -> T:
        """The client tries for some seconds; where it did so in vain, no other question waits as long."""
        if self._away is not None:
            raise self._away
        try:
            return call()
        except UnreachableError as error:
            self._away = error
            raise
