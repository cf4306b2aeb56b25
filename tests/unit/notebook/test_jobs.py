"""A fit as a job: waited for, adopted, gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.adapters import ADAPTERS
from include.core.errors import DataError, JobFailedError
from include.core.needs import Needs
from include.core.ports import JobStatus
from include.core.request import Request
from include.core.spec.resources import Resources
from include.notebook.jobs import find_or_submit
from include.services.services import Services
from tests.support.fake_jobs import FakeJobs


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    environ = {"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_JOB_BACKEND": "fake"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(ADAPTERS, "jobs.fake", "tests.support.fake_jobs:open_jobs")
    return Services.from_env()


@pytest.fixture
def jobs(services: Services) -> FakeJobs:
    return FakeJobs(services.settings.home / "jobs")


def request(services: Services, step: str = "double") -> Request:
    return Request(step, f"tests.unit.operators.steps:{step}", "m", {"n": 4, "marks": str(services.settings.home / "marks")})


def test_it_is_computed_by_a_job_once_and_found_afterwards(services: Services, jobs: FakeJobs) -> None:
    (jobs.folder / "mode").write_text("run")
    made = find_or_submit(request(services), services, poll=0)
    assert (made.result.value, made.reused) == ({"twice": 8}, False)
    assert find_or_submit(request(services), services, poll=0).reused
    assert len(jobs.submitted()) == 1


def test_a_job_gets_the_machines_it_is_asked_for_with(
    services: Services, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    (jobs.folder / "mode").write_text("run")
    submit = FakeJobs.submit
    monkeypatch.setattr(FakeJobs, "submit", lambda self, job: (seen.append(job), submit(self, job)))
    find_or_submit(request(services), services, poll=0, needs=Needs(Resources(gpus=2), 3))
    assert (seen[0].resources, seen[0].workers) == (Resources(gpus=2), 3)


def test_the_jobs_own_error_is_raised_and_the_next_call_makes_another_attempt(services: Services, jobs: FakeJobs) -> None:
    (jobs.folder / "mode").write_text("run")
    for _ in range(2):
        with pytest.raises(DataError, match="There are no labels"):
            find_or_submit(request(services, "refuse"), services, poll=0)
    assert len(jobs.submitted()) == 2


def test_a_job_that_dies_shows_its_last_words(services: Services, jobs: FakeJobs) -> None:
    (jobs.folder / "mode").write_text("die")
    with pytest.raises(JobFailedError, match="last words of slip-double"):
        find_or_submit(request(services), services, poll=0)


def test_a_job_that_ended_while_nobody_waited_is_gone_on_with(services: Services, jobs: FakeJobs) -> None:
    asked = request(services)
    services.ledger.record(asked)
    attempt = services.ledger.open_attempt(asked.key, 0)
    (jobs.folder / "mode").write_text("run")
    jobs.set(attempt.job, JobStatus.FAILED)
    assert find_or_submit(asked, services, poll=0).result.attempt == 2
