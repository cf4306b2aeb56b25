"""Jobs nobody waits for: their task was marked, their run deleted. They are reported, and never stopped from here.

A task of any unfinished run of the model that may still come to the job's step counts as waiting, as `slipstream jobs` has it:
its request may be this job's, and then it adopts it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import timedelta
from functools import partial

from include.core.ledger import Attempt
from include.core.ports import JobStatus
from include.governance.waiters import own_dag, waiters
from include.reconcile.world import Finding, PendingAlert, World, record_once

GRACE = timedelta(minutes=2)  # since the attempt was opened: its task may be between two states
_NAME = re.compile(r"slip-(tune|train|score)-([0-9a-f]{20})-g(\d+)-a(\d+)")  # Attempt.job


def find(world: World) -> Iterator[Finding]:
    """Asks the job backend first: where nothing runs, the ledger is not read."""
    jobs = world.jobs()
    running = jobs.under_way()
    for attempt in _attempts(world, running) if running else ():
        opened = world.ledger.opened_at(attempt)
        if opened is None or opened > world.now - GRACE or _wanted(world, attempt):
            continue
        if jobs.status(attempt.job) in (JobStatus.PENDING, JobStatus.RUNNING):  # it may have ended since
            yield _finding(world, attempt)


def _attempts(world: World, running: Collection[str]) -> Iterator[Attempt]:
    """Those that the jobs compute, of whatever generation. Jobs that are not of this ledger are somebody else's."""
    named = {match[0]: match for match in map(_NAME.fullmatch, running) if match}
    steps = sorted({match[1] for match in named.values()})
    keys = {(step, key.partition("/")[2][:20]): key for step in steps for key in _keys(world, step)}
    for match in named.values():
        if (key := keys.get((match[1], match[2]))) is not None:
            yield Attempt(key, int(match[3]), int(match[4]))


def _keys(world: World, step: str) -> Iterator[str]:
    for path in world.ledger.storage.list(f"ledger/{step}"):
        if path.endswith("/request.json"):
            yield path.removeprefix("ledger/").removesuffix("/request.json")


def _wanted(world: World, attempt: Attempt) -> bool:
    step = attempt.key.partition("/")[0]
    dag_id = own_dag(world.ledger.request(attempt.key).model, step)
    if world.airflow.waiting(dag_id, step) or world.airflow.unfinished(dag_id):
        return True
    runs = {(each.dag_id, each.run_id) for each in waiters(world.control, attempt.job)}  # of an author's own DAGs
    return any(not world.airflow.run(*run).over for run in sorted(runs))


def _finding(world: World, attempt: Attempt) -> Finding:
    model, finding = world.ledger.request(attempt.key).model, f"job/{attempt.job}"
    summary = f"the job {attempt.job} runs, and no run of {model} waits for it"
    remedy = f"to stop it: slipstream cancel {attempt.job}; left alone, a run that asks for the same takes its result"
    pending = PendingAlert(finding, "job_unwanted", "ticket", model, f"{model}: {summary}. {remedy}.")
    act = partial(record_once, world, finding, "reconcile.told", pending)
    return Finding("job.unwanted", finding, model, summary, f"alert sent; {remedy}", act)
