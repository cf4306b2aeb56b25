"""`slipstream jobs`: the jobs under way, and for each the runs whose task may be waiting for it.

A task that was marked failed or success leaves its job running, and `on_kill` may not stop it: Airflow calls that on
clear too, after the next try has adopted the job. So a job is an orphan only if no unfinished run of its model has
that step before it or under way. `--stop-orphans` stops those; their checkpoints stay.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from include.backends.airflow.client import AirflowClient
from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.core.errors import NotReadyError
from include.core.ledger import Attempt
from include.core.ports import JobBackend, JobStatus
from include.core.table import table
from include.governance.jobs import live, stop
from include.services.services import AIRFLOW

SHAPES: Shapes = {
    "": {
        "job": "its name", "key": "what it computes", "model": "the model it is of", "status": "PENDING, RUNNING ...",
        "wanted_by": "the unfinished runs that may wait for it: `dag_id run_id`; none: an orphan",
        "stopped": "with --stop-orphans: whether it was asked to stop",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Watched:
    attempt: Attempt
    model: str
    status: JobStatus
    holders: tuple[str, ...]  # "dag_id run_id" of the runs that may want its result

    @property
    def orphan(self) -> bool:
        return self.status in (JobStatus.PENDING, JobStatus.RUNNING) and not self.holders


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stop-orphans", action="store_true", help="stop the jobs that no unfinished run may be waiting for")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    jobs = context.jobs()
    airflow = _airflow(context)
    watched = watch(context, jobs, airflow)
    rows = [(one.attempt.job, one.model, str(one.status), ", ".join(one.holders) or "nobody") for one in watched]
    print(table(("job", "model", "status", "wanted by"), rows) if rows else "No job is under way.")
    orphans = [one for one in watched if one.orphan and options.stop_orphans]
    stopped = [one for one in orphans if _stop(context, jobs, airflow, one)]
    answer(options, [_json(one, one in stopped) for one in watched])
    return 0


def _json(one: Watched, stopped: bool) -> dict[str, object]:
    named = {"job": one.attempt.job, "key": one.attempt.key, "model": one.model}
    return {**named, "status": one.status, "wanted_by": one.holders, "stopped": stopped}


def watch(context: CliContext, jobs: JobBackend, airflow: AirflowClient) -> list[Watched]:
    """The attempts without a result, what the backend says of their jobs, and which runs may want them."""
    attempts = live(context.ledger)
    unfinished = airflow.unfinished() if attempts else []
    return [_watched(context, jobs, attempt, unfinished) for attempt in attempts]


def _watched(
    context: CliContext, jobs: JobBackend, attempt: Attempt, unfinished: list[tuple[str, str, dict[str, str]]]
) -> Watched:
    model, step = context.ledger.request(attempt.key).model, attempt.key.partition("/")[0]
    over = ("success", "failed", "skipped", "upstream_failed", "removed")
    holders = [
        f"{dag} {run}" for dag, run, tasks in unfinished if dag.startswith(f"{model}_") and tasks.get(step, "success") not in over
    ]
    return Watched(attempt, model, JobStatus(jobs.status(attempt.job)), tuple(holders))


def _stop(context: CliContext, jobs: JobBackend, airflow: AirflowClient, orphan: Watched) -> bool:
    """Stop a job that is still nobody's: a run may have started since the table was made. Says whether it did."""
    if not _watched(context, jobs, orphan.attempt, airflow.unfinished()).orphan:
        print(f"{orphan.attempt.job} is wanted again: it goes on.")
        return False
    detail = {"status": str(orphan.status), "why": "no unfinished run wants it"}
    with context.control.transaction() as connection:
        context.control.append_audit(connection, context.actor, "cancel", orphan.attempt.job, detail)
    print(f"{stop(jobs, orphan.attempt.job)} Nobody waits for it. Its checkpoints are kept.")
    return True


def _airflow(context: CliContext) -> AirflowClient:
    airflow = context.airflow()
    if airflow is None:
        raise NotReadyError(
            "There is no connection to Airflow, so it is not known which jobs are wanted.",
            safe="no job was stopped.",
            hint=f"set AIRFLOW_CONN_{AIRFLOW.upper()}; `make up` writes it to connections.env.",
        )
    return airflow
