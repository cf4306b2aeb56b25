"""What a task raises when its job is over without a result, and how a job ends whose time is over."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from include.core.errors import (
    JobFailedError,
    MemoryLimitError,
    PermanentError,
    SlipstreamError,
    TimeLimitError,
)
from include.core.ledger import Attempt
from include.core.memory_limit import of_log, once_more
from include.core.needs import Needs
from include.core.ports import JobBackend, JobStatus
from include.services.services import Services

log = logging.getLogger(__name__)

ENDING = 60.0  # seconds that a job which was told to stop is waited for
UNBEGUN = 5.0
LOOK = 1.0
LINES = 30


def failure(attempt: Attempt, status: JobStatus, services: Services) -> SlipstreamError:
    """Why a job ended without a result. Ends the attempt: the next one goes on from its checkpoints."""
    ledger = services.ledger
    # The job's own error first: it is the better one, and its log may not come.
    if (error := ledger.error(attempt)) is not None:
        ledger.end_attempt(attempt, f"{status}: {error}")
        return told_once_more(error, attempt, services)
    try:
        tail = services.jobs().logs(attempt.job, LINES)
    except SlipstreamError as unread:  # a log that does not come must not hide that the job is over
        tail = f"(its log could not be read: {unread.what})"
        error = _error_before(attempt, services)
    ledger.end_attempt(attempt, f"{status}: {tail}")
    if error is not None:
        return error
    if status is JobStatus.STOPPED:
        return PermanentError(
            f"Job {attempt.job} was stopped on purpose.",
            safe="its checkpoints are kept.",
            hint="clear the task to go on from them.",
        )
    if (short := of_log(attempt.job, tail)) is not None:
        ledger.record_error(attempt, short)  # the next attempt is to know
        return told_once_more(short, attempt, services)
    return JobFailedError(
        f"Job {attempt.job} ended as {status} without a result. Its last lines:\n{tail}\n",
        safe="its checkpoints are kept; the next attempt resumes from the newest verified one.",
        hint="none if retries are left; else clear the task.",
    )


def told_once_more(error: SlipstreamError, attempt: Attempt, services: Services) -> SlipstreamError:
    """The error; of a second attempt in a row that lacked memory, one that is not retried."""
    if not isinstance(error, MemoryLimitError):
        return error
    before = services.ledger.error(Attempt(attempt.key, attempt.generation, attempt.number - 1)) if attempt.number > 1 else None
    return once_more(error, before)


def _error_before(attempt: Attempt, services: Services) -> SlipstreamError | None:
    """The newest error that an attempt before left, if it is permanent: the same inputs, so the likeliest reason of a silent
    death."""
    before = (Attempt(attempt.key, attempt.generation, number) for number in range(attempt.number - 1, 0, -1))
    error = next(filter(None, map(services.ledger.error, before)), None)
    return error if isinstance(error, PermanentError) else None


# -- time --------------------------------------------------------------------------------------------------------------


def is_late(needs: Needs) -> bool:
    """Whether the attempt's time is over."""
    return bool(needs.until) and time.time() >= needs.until


def stop_late(attempt: Attempt, needs: Needs, services: Services) -> TimeLimitError | None:
    """Stop the job of an attempt whose time is over, and end the attempt. None where it has committed a result meanwhile."""
    jobs, ledger = services.jobs(), services.ledger
    waits = _waits_for(attempt, jobs)
    log.warning("Job %s is stopped: it took longer than %s, training.time_limit.", attempt.job, timedelta(seconds=needs.seconds))
    jobs.stop(attempt.job)
    # Ray stops a job that has not begun only when it begins; it then finds that its time is over, too.
    until = time.monotonic() + (UNBEGUN if jobs.status(attempt.job) is JobStatus.PENDING else ENDING)
    while True:
        if ledger.result(attempt.key, attempt.generation) is not None:
            return None
        if jobs.status(attempt.job).over or time.monotonic() >= until:
            break
        time.sleep(LOOK)
    if ledger.result(attempt.key, attempt.generation) is not None:  # it may have been its last act
        return None
    error = ledger.error(attempt)
    if not isinstance(error, TimeLimitError):  # the job, which waited for machines, has the better words
        error = too_late(needs, kept(attempt, services), waits)
    ledger.end_attempt(attempt, f"stopped: {error}")
    return error


def too_late(needs: Needs, kept: str, waits: str = "") -> TimeLimitError:
    """`waits`: what a job that never began waited for."""
    limit = timedelta(seconds=needs.seconds)
    why = f"It never began, for it waits for machines: {waits}" if waits else "It was still at work."
    more = "ask for machines that there are (training.resources), or add some" if waits else "raise training.time_limit"
    return TimeLimitError(
        f"The attempt took longer than training.time_limit, which is {limit}. {why}",
        safe=f"its job was stopped; {kept}.",
        hint=f"{more}, for one run by its parameter `resources`; then clear the task: it goes on from what was kept.",
    )


def kept(attempt: Attempt, services: Services) -> str:
    """What the attempts of a generation leave to the next one, in words."""
    from include.training.checkpoint import CheckpointStore

    steps = CheckpointStore(services.storage, attempt.checkpoints).steps()
    return f"its checkpoints are kept, the newest of step {steps[-1]}" if steps else "it had kept no checkpoint yet"


def _waits_for(attempt: Attempt, jobs: JobBackend) -> str:
    try:
        return jobs.waits_for(attempt.job)
    except SlipstreamError as error:
        return error.what
