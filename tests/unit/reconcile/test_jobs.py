"""A job that nobody waits for is told with the command that stops it, and goes on; where none runs, no ledger is read."""

from __future__ import annotations

import json

import pytest

from include.core.ledger import Attempt
from include.core.ports import JobStatus
from include.core.request import Request
from include.governance.waiters import Waiter, record
from tests.support.fake_airflow import RunState
from tests.support.fake_jobs import FakeJobs
from tests.unit.reconcile.conftest import MODEL, TRAINING, Place


@pytest.fixture
def jobs(place: Place) -> FakeJobs:
    made = FakeJobs(place.home / "fake-jobs")
    (made.folder / "submitted").touch()
    return made


def attempt(place: Place, step: str = "train") -> Attempt:
    """Of a request that was recorded; opened an hour ago."""
    ledger = place.world().ledger
    request = Request(step, "x:y", MODEL, {"step": step})
    ledger.record(request)
    opened = ledger.open_attempt(request.key, 0)
    at = place.now.replace(microsecond=0).isoformat()
    place.later(hours=1)
    ledger.storage.write(f"{opened.folder}/attempt-1.json", json.dumps({"job": opened.job, "at": at}).encode())
    return opened


def submit(jobs: FakeJobs, job: str, status: JobStatus = JobStatus.RUNNING) -> None:
    with (jobs.folder / "submitted").open("a") as file:
        file.write(f"{job}\n")
    jobs.set(job, status)


@pytest.mark.parametrize("step", ["tune", "train", "score"])
def test_it_is_reported_once_and_never_stopped(place: Place, jobs: FakeJobs, step: str) -> None:
    job = attempt(place, step).job
    submit(jobs, job)
    for _ in range(2):
        (finding,) = place.look(jobs=lambda: jobs).found
        assert f"slipstream cancel {job}" in finding.remedy
    assert place.told() == ["job_unwanted"]
    assert jobs.status(job) is JobStatus.RUNNING


@pytest.mark.parametrize("state", ["deferred", "running", "up_for_retry", "queued"])
def test_one_whose_task_waits_is_as_it_should_be(place: Place, jobs: FakeJobs, state: str) -> None:
    submit(jobs, attempt(place).job)
    place.airflow.states[TRAINING, "r"] = {"train": state}
    assert place.look(jobs=lambda: jobs).found == []


def test_a_run_that_may_still_come_to_its_step_counts_as_waiting(place: Place, jobs: FakeJobs) -> None:
    submit(jobs, attempt(place).job)
    place.airflow.runs[TRAINING, "r"] = RunState.QUEUED
    assert place.look(jobs=lambda: jobs).found == []


def test_one_that_an_authors_dag_waits_for_is_as_it_should_be_until_that_run_is_over(place: Place, jobs: FakeJobs) -> None:
    job = attempt(place).job
    submit(jobs, job)
    record(place.control, job, Waiter("weekly", "manual__1", "learn.train"))
    place.running("weekly", "manual__1", **{"learn.train": "deferred"})
    assert place.look(jobs=lambda: jobs).found == []
    place.airflow.runs["weekly", "manual__1"] = RunState.FAILED
    assert len(place.look(jobs=lambda: jobs).found) == 1


@pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED])
def test_jobs_that_are_over_and_others_jobs_are_nobodys_concern(place: Place, jobs: FakeJobs, status: JobStatus) -> None:
    submit(jobs, attempt(place).job, status)
    submit(jobs, "somebody-elses")
    assert place.look(jobs=lambda: jobs).found == []


def test_one_of_an_earlier_generation_is_found_too(place: Place, jobs: FakeJobs) -> None:
    """A run with `fresh` opened the next generation; the job before runs on, and its result can no longer be committed."""
    old = attempt(place)
    submit(jobs, old.job)
    place.world().ledger.open_generation(old.key, "t", "fresh")
    (finding,) = place.look(jobs=lambda: jobs).found
    assert finding.key == f"job/{old.job}"


@pytest.mark.parametrize("name", ["slip-train-0123456789abcdef0123-g0-a1", "slip-train-x-g0-a1", "raysubmit_abc", "slip-"])
def test_a_job_of_no_attempt_of_ours_is_left_alone(place: Place, jobs: FakeJobs, name: str) -> None:
    attempt(place)
    submit(jobs, name)
    assert place.look(jobs=lambda: jobs).to_json() == {"found": [], "changed": [], "unknown": {}}


def test_a_fresh_one_may_be_between_two_states_of_its_task(place: Place, jobs: FakeJobs) -> None:
    submit(jobs, attempt(place).job)
    place.later(hours=-1)
    assert place.look(jobs=lambda: jobs).found == []


def test_where_no_job_runs_the_ledger_is_not_read(place: Place, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt(place)

    def read(*_: object) -> None:
        raise AssertionError("the ledger was listed")

    monkeypatch.setattr("include.core.storage.LocalStorage.list", read)
    assert place.look(jobs=lambda: jobs).to_json() == {"found": [], "changed": [], "unknown": {}}
