"""How a task ends whose job left no result, or whose time is over: what it raises, what is kept, what is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from include.core.errors import JobFailedError, MemoryLimitError, MemoryStillShort, SpecError, TimeLimitError
from include.core.ledger import Attempt
from include.core.memory_limit import KILLED
from include.core.needs import Needs
from include.core.ports import JobStatus
from include.core.request import Ref, Request
from include.core.spec.resources import Resources
from include.core.task import job_of
from include.services.services import Services
from include.training.checkpoint import CheckpointStore
from operators.base import ComputeOperator
from tests.support.fake_jobs import FakeJobs

Make = Callable[..., dict[str, Any]]
LIMIT = 60.0


class Limited(ComputeOperator):
    step = "double"
    function = "tests.unit.operators.steps:double"
    needs = Needs(seconds=LIMIT)

    def build(self, context: Any, services: Services) -> Request:
        marks = str(services.settings.home / "marks")
        return Request(self.step, self.function, self.model, {"n": 21, "marks": marks}, {}, "code")

    def machine(self, context: Any, services: Services) -> Needs:
        return self.needs


def ran(services: Services) -> list[str]:
    path = services.settings.home / "marks"
    return path.read_text().split() if path.exists() else []


def limited(**kwargs: Any) -> Limited:
    return Limited(task_id="train", model="m", poll_seconds=0.0, **kwargs)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task's clock is an hour ahead: what was opened just now is late. Nothing is waited for."""
    real = time.time

    class Clock:
        monotonic = staticmethod(time.monotonic)
        time = staticmethod(lambda: real() + 3600)
        sleep = staticmethod(lambda seconds: None)

    monkeypatch.setattr("operators.job_end.time", Clock)


def deferred(services: Services, jobs: FakeJobs, context: Make) -> dict[str, Any]:
    """Of a task whose job runs: the arguments that it is resumed with."""
    (jobs.folder / "mode").write_text("hang")
    with pytest.raises(TaskDeferred) as raised:
        limited(where="job").execute(context())
    return dict(raised.value.kwargs or {})


def test_a_job_whose_time_is_over_is_stopped_and_the_error_says_what_is_kept(
    services: Services, jobs: FakeJobs, context: Make, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    kwargs = deferred(services, jobs, context)
    attempt = Attempt(kwargs["key"], kwargs["generation"], kwargs["number"])
    CheckpointStore(services.storage, attempt.checkpoints).save_step(25, b"state")
    request.getfixturevalue("hurried")
    with pytest.raises(TimeLimitError, match=r"(?s)0:01:00.*still at work.*newest of step 25.*clear the task") as raised:
        limited(where="job").resume(context(), {"status": "RUNNING"}, **kwargs)
    assert "time_limit" in raised.value.hint
    assert jobs.status(attempt.job) is JobStatus.STOPPED
    monkeypatch.setattr("operators.job_end.time", time)
    with pytest.raises(TaskDeferred):  # a clear: another attempt, with the whole time before it
        limited(where="job").execute(context())
    assert len(jobs.submitted()) == 2


def test_a_job_that_never_began_is_said_to_wait_and_for_what(
    services: Services, jobs: FakeJobs, context: Make, request: pytest.FixtureRequest
) -> None:
    kwargs = deferred(services, jobs, context)
    name = jobs.submitted()[0]
    jobs.set(name, JobStatus.PENDING)
    (jobs.folder / f"{name}.waits").write_text("asked for 8 GPU; the cluster has 2 CPU; free: 1 CPU")
    request.getfixturevalue("hurried")
    with pytest.raises(TimeLimitError, match=r"(?s)never began.*asked for 8 GPU; the cluster has 2 CPU.*no checkpoint yet"):
        limited(where="job").resume(context(), {"status": "PENDING"}, **kwargs)


def test_the_jobs_own_words_about_its_wait_are_kept(
    services: Services, jobs: FakeJobs, context: Make, request: pytest.FixtureRequest
) -> None:
    kwargs = deferred(services, jobs, context)
    attempt = Attempt(kwargs["key"], kwargs["generation"], kwargs["number"])
    services.ledger.record_error(attempt, TimeLimitError("The cluster had no room for the workers."))
    request.getfixturevalue("hurried")
    with pytest.raises(TimeLimitError, match="no room for the workers"):
        limited(where="job").resume(context(), {"status": "RUNNING"}, **kwargs)


def test_a_result_that_was_committed_at_the_last_moment_is_taken(
    services: Services, jobs: FakeJobs, context: Make, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    kwargs = deferred(services, jobs, context)
    attempt = Attempt(kwargs["key"], kwargs["generation"], kwargs["number"])
    monkeypatch.setattr(FakeJobs, "stop", lambda self, name: self.finish(job_of(attempt, services.ledger)))
    request.getfixturevalue("hurried")
    value = limited(where="job").resume(context(), {"status": "RUNNING"}, **kwargs)
    assert services.ledger.resolve(Ref.from_json(value)).value == {"twice": 42}


def test_without_deferral_the_limit_is_kept_as_well(
    services: Services, jobs: FakeJobs, context: Make, request: pytest.FixtureRequest
) -> None:
    (jobs.folder / "mode").write_text("hang")
    request.getfixturevalue("hurried")
    with pytest.raises(TimeLimitError):
        limited(where="job", deferrable=False).execute(context())
    assert (jobs.folder / "stopped").exists()


def test_an_attempt_that_was_opened_long_ago_and_never_submitted_is_no_late_one(
    services: Services, jobs: FakeJobs, context: Make, request: pytest.FixtureRequest
) -> None:
    made = limited().build(context(), services)
    services.ledger.record(made)
    services.ledger.open_attempt(made.key, 0)  # and here the process died
    request.getfixturevalue("hurried")
    limited(where="job").execute(context())
    assert [name[-2:] for name in jobs.submitted()] == ["a2"]
    assert ran(services) == ["0/2"]


def test_a_killed_job_that_lacked_memory_is_named_tried_once_more_and_then_no_more(
    services: Services, jobs: FakeJobs, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (jobs.folder / "mode").write_text("die")
    monkeypatch.setattr(FakeJobs, "logs", lambda self, name, lines=50: f"step 7\n{KILLED}")
    with pytest.raises(MemoryLimitError, match=r"(?s)step 7.*memory_gb"):
        limited(where="job").execute(context())
    with pytest.raises(MemoryStillShort):
        limited(where="job").execute(context())
    with pytest.raises(MemoryStillShort):  # cleared by a person who has changed nothing
        limited(where="job").execute(context())
    monkeypatch.setattr(FakeJobs, "logs", lambda self, name, lines=50: "connection lost")
    with pytest.raises(JobFailedError, match="connection lost"):
        limited(where="job").execute(context())


def test_in_the_tasks_own_process_too(services: Services, context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise MemoryLimitError("memory did not suffice.")

    monkeypatch.setattr("operators.base.perform", full)
    with pytest.raises(MemoryLimitError):
        limited().execute(context())
    with pytest.raises(MemoryStillShort):
        limited().execute(context())


def test_a_process_that_lacks_the_machine_is_refused_before_it_computes(
    services: Services, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limited, "needs", Needs(Resources(nodes=2)))
    with pytest.raises(SpecError, match="nodes=2, and this is one machine"):
        limited().execute(context())
    assert ran(services) == []


def test_the_step_sees_what_it_was_given(services: Services, context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Needs] = []
    given = Needs(Resources(cpus=1), seconds=LIMIT)

    def performed(request: Any, attempt: Any, ledger: Any, settings: Any) -> None:
        seen.append(Needs.received(settings.environ))
        raise JobFailedError("enough")

    monkeypatch.setattr(Limited, "needs", given)
    monkeypatch.setattr("operators.base.perform", performed)
    with pytest.raises(JobFailedError):
        limited().execute(context())
    assert replace(seen[0], until=0.0) == given
