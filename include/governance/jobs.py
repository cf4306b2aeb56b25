"""The attempts that are under way, as the ledger knows them: what `slipstream status` lists and `cancel` stops."""

from __future__ import annotations

import time

from include.core.ledger import Attempt, Ledger
from include.core.ports import JobBackend, JobStatus

STEPS = ("tune", "train", "score")  # those that run as jobs
STOP_SECONDS = 30.0  # that a job may take to end: Ray asks it first, and kills it after some seconds


def live(ledger: Ledger, steps: tuple[str, ...] = STEPS) -> list[Attempt]:
    """Attempts that were opened and have neither ended nor left a result, in the newest generation of their key."""
    return [attempt for step in steps for key in ledger.requested(step) for attempt in _open(ledger, key)]


def stop(jobs: JobBackend, name: str, seconds: float = STOP_SECONDS) -> str:
    """Stop a job, and wait until it is over: a task that is cleared meanwhile would adopt it, and fail with it. Says which."""
    jobs.stop(name)
    until = time.monotonic() + seconds
    while not (status := JobStatus(jobs.status(name))).over and time.monotonic() < until:
        time.sleep(0.1)
    if status.over:
        return f"{name} was asked to stop, and is over ({status})."
    return f"{name} was asked to stop, and is {status} after {seconds:g} s: clear no task of it before it is over."


def _open(ledger: Ledger, key: str) -> list[Attempt]:
    generation = ledger.generation(key)
    if ledger.result(key, generation) is not None or ledger.is_collected(key, generation):
        return []
    attempt = Attempt(key, generation, len(ledger.ended(key, generation)) + 1)
    return [attempt] if ledger.storage.exists(f"{attempt.folder}/attempt-{attempt.number}.json") else []
