"""Stopping a job: a backend may take its time."""

from __future__ import annotations

from include.core.ports import JobStatus
from include.governance.jobs import stop


class SlowJobs:
    """Like Ray's: a job that is asked to stop runs on for some looks."""

    def __init__(self, looks: int) -> None:
        self.looks, self.asked = looks, False

    def submit(self, job: object) -> None:
        raise AssertionError(job)

    def status(self, name: str) -> JobStatus:
        self.looks -= self.asked
        return JobStatus.RUNNING if self.looks >= 0 else JobStatus.STOPPED

    def logs(self, name: str, lines: int = 50) -> str:
        return ""

    def stop(self, name: str) -> None:
        self.asked = True

    def url(self, name: str) -> str:
        return ""


def test_it_is_over_before_anybody_may_clear_its_task() -> None:
    assert stop(SlowJobs(3), "slip-train-1") == "slip-train-1 was asked to stop, and is over (STOPPED)."


def test_a_job_that_does_not_end_is_reported() -> None:
    assert "is RUNNING after 0.3 s: clear no task of it before it is over" in stop(SlowJobs(1000), "slip-train-1", seconds=0.3)
