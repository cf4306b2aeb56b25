"""Jobs nobody waits for: their task was marked, their run deleted. They are told, and never stopped from here.

A task of any unfinished run of the model that may still come to the job's step counts as waiting, as `slipstream jobs` has it:
its request may be this job's, and then it adopts it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from include.core.ledger import Attempt
from include.core.ports import JobStatus
from include.governance.jobs import live
from include.reconcile.world import Finding, Notice, World, note

FRESH = timedelta(minutes=2)  # since the attempt was opened: its task may be between two states
DAGS = {"tune": "training", "train": "training", "score": "scoring"}  # the DAG whose task waits for a step's job


def find(world: World) -> Iterator[Finding]:
    """Asks the job backend first: where nothing runs, the ledger is not read."""
    jobs = world.jobs()
    running = set(jobs.under_way())
    if not running:
        return
    for attempt in live(world.ledger):
        if attempt.job not in running or _opened(world, attempt) > world.now - FRESH or _wanted(world, attempt):
            continue
        if jobs.status(attempt.job) in (JobStatus.PENDING, JobStatus.RUNNING):  # it may have ended since
            yield _finding(world, attempt)


def _wanted(world: World, attempt: Attempt) -> bool:
    step = attempt.key.partition("/")[0]
    dag_id = f"{world.ledger.request(attempt.key).model}_{DAGS[step]}"
    return bool(world.airflow.waiting(dag_id, step) or world.airflow.unfinished(dag_id))


def _opened(world: World, attempt: Attempt) -> datetime:
    path = f"{attempt.folder}/attempt-{attempt.number}.json"
    return datetime.fromisoformat(json.loads(world.ledger.storage.read(path))["at"])


def _finding(world: World, attempt: Attempt) -> Finding:
    model, finding = world.ledger.request(attempt.key).model, f"job/{attempt.job}"
    words = f"the job {attempt.job} runs, and no run of {model} waits for it"
    remedy = f"to stop it: slipstream cancel {attempt.job}; left alone, a run that asks for the same takes its result"
    notice = Notice(finding, "job_unwanted", "ticket", model, f"{model}: {words}. {remedy}.")
    act = partial(note, world, finding, "reconcile.told", notice)
    return Finding("job.unwanted", finding, model, words, f"told; {remedy}", act)
