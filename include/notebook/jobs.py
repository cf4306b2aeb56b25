"""A step as a job of the job backend, waited for here: for a fit that is too much for this machine, or needs workers."""

from __future__ import annotations

import time

from include.core.compute import Computed, open_generation
from include.core.errors import JobFailedError, SlipstreamError
from include.core.ledger import Attempt
from include.core.needs import Needs
from include.core.ports import JobBackend, JobStatus
from include.core.request import Request
from include.core.task import job_of
from include.services.services import Services

POLL = 1.0  # seconds


def find_or_submit(request: Request, services: Services, poll: float = POLL, needs: Needs | None = None) -> Computed:
    """The request's result; computed by a job, under the attempt's name, unless it is there.

    `needs`: its machines.
    A job that is under way already, another's or one whose waiting was cut off, is waited for. Raises the job's own error.
    """
    ledger = services.ledger
    generation, known = open_generation(request, ledger)
    if known is not None:
        return Computed(known, reused=True)
    jobs = services.jobs()
    attempt = _attempt(request.key, generation, services, jobs, needs)
    jobs.submit(job_of(attempt, ledger, needs))
    while not (status := jobs.status(attempt.job)).over:
        if status is JobStatus.UNKNOWN:  # the backend forgot it: the same name, so still one job
            jobs.submit(job_of(attempt, ledger, needs))
        time.sleep(poll)
    if (result := ledger.result(request.key, generation)) is not None:
        return Computed(result, reused=False)
    error = ledger.error(attempt) or _failed(attempt, status, jobs)
    ledger.end_attempt(attempt, f"{status}: {error}")
    raise error


def _attempt(key: str, generation: int, services: Services, jobs: JobBackend, needs: Needs | None) -> Attempt:
    """The one to wait for. A job that ended while nobody waited for it is over: the next attempt goes on from its checkpoints."""
    ledger = services.ledger
    attempt = ledger.live_attempt(key, generation)
    if attempt is not None and (status := jobs.status(attempt.job)).over:
        ledger.end_attempt(attempt, f"{status}, with nobody waiting for it")
    return ledger.open_attempt(key, generation, (needs or Needs()).told(services.settings.job_backend))


def _failed(attempt: Attempt, status: JobStatus, jobs: JobBackend) -> JobFailedError:
    try:
        tail = jobs.logs(attempt.job, 30)
    except SlipstreamError as unread:
        tail = f"(its log could not be read: {unread.what})"
    return JobFailedError(
        f"Job {attempt.job} ended as {status} without a result. Its last lines:\n{tail}\n",
        safe="its checkpoints are kept.",
        hint="mend the cause and call it again: it goes on from the newest checkpoint.",
    )
