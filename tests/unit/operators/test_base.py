"""The kernel's promise for compute tasks: retried, cleared, killed or backfilled, the work happens once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from include.core.errors import DataError, JobFailedError, PermanentError, SupersededError, UnreachableError
from include.core.ledger import Attempt
from include.core.needs import Needs
from include.core.ports import Job, JobStatus
from include.core.request import Outcome, Ref, Request
from include.core.spec.resources import Resources
from include.core.task import job_of
from include.services.services import Services
from operators.base import ComputeOperator
from operators.training import TrainModelOperator
from tests.support.fake_jobs import FakeJobs

Make = Callable[..., dict[str, Any]]


class DoubleOperator(ComputeOperator):
    step = "double"
    function = "tests.unit.operators.steps:double"
    marks: Path

    def build(self, context: Any, services: Services) -> Request:
        return Request(
            self.step, self.function, self.model, {"n": 21, "marks": str(services.settings.home / "marks")}, {}, "code"
        )


def ran(services: Services) -> list[str]:
    path = services.settings.home / "marks"
    return path.read_text().split() if path.exists() else []


def task(**kwargs: Any) -> DoubleOperator:
    return DoubleOperator(task_id="train", model="m", **kwargs)


def test_a_second_run_a_retry_and_a_clear_reuse_the_result(services: Services, context: Make) -> None:
    first = task().execute(context())
    again = task().execute(context())  # a retry, or a clear: the same run
    other = task().execute(context(run="manual__2"))
    assert first == again == other
    assert ran(services) == ["0/1"]
    assert services.ledger.resolve(Ref.from_json(first)).value == {"twice": 42}


def test_fresh_computes_once_a_run_and_its_retries_share_it(services: Services, context: Make) -> None:
    task().execute(context())
    fresh = task().execute(context(run="manual__2", fresh=True))
    retry = task().execute(context(run="manual__2", fresh=True))
    third = task().execute(context(run="manual__3", fresh=True))
    assert ran(services) == ["0/1", "1/1", "2/1"]
    assert fresh == retry != third
    assert task().execute(context(run="manual__4")) == third  # later runs take the newest


def test_losing_the_state_store_changes_nothing(services: Services, context: Make) -> None:
    made = context(run="manual__2", fresh=True)
    first = task().execute(made)
    made["task_state_store"] = None
    assert task().execute(made) == first
    assert ran(services) == ["1/1"]


def test_a_zombie_of_an_older_generation_cannot_commit(services: Services, context: Make) -> None:
    request = task().build(context(), services)
    zombie = services.ledger.open_attempt(request.key, 0)
    services.ledger.record(request)
    fresh = task().execute(context(run="manual__2", fresh=True))
    with pytest.raises(SupersededError):
        services.ledger.commit(request, zombie, Outcome({"twice": 0}), 0.0)
    assert task().execute(context()) == fresh


def test_a_late_commit_of_the_same_generation_is_a_no_op(services: Services, context: Make) -> None:
    first = task().execute(context())
    request = task().build(context(), services)
    late = services.ledger.commit(request, Attempt(request.key, 0, 1), Outcome({"twice": -1}), 0.0)
    assert late.digest == first["digest"]


def test_the_ledger_knows_what_an_attempt_ran_on_and_the_processor_time_it_took(services: Services, context: Make) -> None:
    result = services.ledger.resolve(Ref.from_json(task().execute(context())))
    (tried,) = services.ledger.tried(result.key, result.generation)
    assert tried.machine == {"backend": "task", "workers": 1, "resources": {}}
    assert result.cpu_seconds is not None
    assert result.cpu_seconds >= 0


def test_a_damaged_result_is_computed_again(services: Services, context: Make) -> None:
    first = services.ledger.resolve(Ref.from_json(task().execute(context())))
    Path(services.storage.uri(first.files["out.txt"].path)).write_text("43")
    second = services.ledger.resolve(Ref.from_json(task().execute(context())))
    assert second.generation == 1
    assert services.ledger.verify(second) == []
    assert ran(services) == ["0/1", "1/1"]


def test_a_job_is_submitted_once_however_often_the_task_starts(services: Services, jobs: FakeJobs, context: Make) -> None:
    (jobs.folder / "mode").write_text("hang")
    for _ in range(3):  # killed and retried while the job runs
        with pytest.raises(TaskDeferred):
            task(where="job").execute(context())
    assert len(jobs.submitted()) == 1


def test_a_kill_between_record_and_submit_submits_under_the_recorded_name(
    services: Services, jobs: FakeJobs, context: Make
) -> None:
    request = task().build(context(), services)
    services.ledger.record(request)
    attempt = services.ledger.open_attempt(request.key, 0)  # and here the process died
    task(where="job").execute(context())
    assert jobs.submitted() == [attempt.job]


def test_a_job_that_was_submitted_is_waited_for_though_its_status_cannot_be_had_now(
    services: Services, jobs: FakeJobs, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that throttles its callers has the job all the same."""
    (jobs.folder / "mode").write_text("hang")

    def throttled(self: FakeJobs, name: str) -> JobStatus:
        raise UnreachableError("AWS takes no more requests now.")

    monkeypatch.setattr(FakeJobs, "status", throttled)
    with pytest.raises(TaskDeferred):
        task(where="job").execute(context())
    assert len(jobs.submitted()) == 1


def test_a_job_is_told_what_the_spec_needs_of_a_machine_and_by_when_it_is_to_be_over(
    services: Services, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Job] = []
    spec = services.spec("flight_delay")
    asked = {"resources": Resources(gpus=1, memory_gb=20), "workers": 2, "time_limit": timedelta(hours=2)}
    fitted = spec.model_copy(update={"training": spec.training.model_copy(update=asked)})
    monkeypatch.setattr(Services, "spec", lambda self, model: fitted)
    monkeypatch.setattr(FakeJobs, "submit", lambda self, job: seen.append(job))
    monkeypatch.setattr(FakeJobs, "status", lambda self, name: JobStatus.RUNNING)
    training = TrainModelOperator(task_id="fit", model="flight_delay", training_set={})
    monkeypatch.setattr(DoubleOperator, "machine", lambda self, context, services: training.machine(context, services))
    for params, gpus in (({}, 1), ({"resources": {"gpus": 4}}, 4)):
        with pytest.raises(TaskDeferred) as deferred:
            task(where="job").execute(context(**params))
        assert (seen[-1].resources, seen[-1].workers, seen[-1].seconds) == (Resources(gpus=gpus, memory_gb=20), 2, 7200.0)
        request = task().build(context(), services)
        opened = services.ledger.opened_at(services.ledger.open_attempt(request.key, 0))
        assert opened is not None
        assert deferred.value.trigger.until == Needs.received(seen[-1].env).until == opened.timestamp() + 7200


def test_resume_returns_the_jobs_result(services: Services, jobs: FakeJobs, context: Make) -> None:
    (jobs.folder / "mode").write_text("hang")
    with pytest.raises(TaskDeferred) as deferred:
        task(where="job").execute(context())
    kwargs = deferred.value.kwargs or {}
    attempt = Attempt(kwargs["key"], kwargs["generation"], kwargs["number"])
    jobs.finish(job_of(attempt, services.ledger))
    jobs.set(attempt.job, JobStatus.SUCCEEDED)
    ref = Ref.from_json(task(where="job").resume(context(), {"status": "SUCCEEDED"}, **kwargs))
    assert services.ledger.resolve(ref).value == {"twice": 42}


def test_polling_in_place_gives_the_same_as_deferring(services: Services, jobs: FakeJobs, context: Make) -> None:
    ref = task(where="job", deferrable=False, poll_seconds=0.01).execute(context())
    assert services.ledger.resolve(Ref.from_json(ref)).value == {"twice": 42}
    assert len(jobs.submitted()) == 1


@pytest.mark.parametrize("mode", ["die", "empty"])
def test_a_dead_job_ends_its_attempt_and_the_retry_submits_the_next(
    services: Services, jobs: FakeJobs, context: Make, mode: str
) -> None:
    (jobs.folder / "mode").write_text(mode)  # "empty": it says SUCCEEDED and left no result
    with pytest.raises(JobFailedError, match="last words"):
        task(where="job").execute(context())
    (jobs.folder / "mode").write_text("run")
    task(where="job").execute(context())
    assert [name[-2:] for name in jobs.submitted()] == ["a1", "a2"]
    assert ran(services) == ["0/2"]


def test_a_job_the_backend_forgot_is_submitted_again_under_its_name(services: Services, jobs: FakeJobs, context: Make) -> None:
    (jobs.folder / "mode").write_text("hang")
    with pytest.raises(TaskDeferred) as deferred:
        task(where="job").execute(context())
    (jobs.folder / jobs.submitted()[0]).unlink()  # the head was replaced
    (jobs.folder / "mode").write_text("run")
    task(where="job").resume(context(), {"status": "UNKNOWN"}, **(deferred.value.kwargs or {}))
    first, second = jobs.submitted()
    assert first == second


def test_an_old_on_kill_cancels_nothing(services: Services, jobs: FakeJobs, context: Make) -> None:
    (jobs.folder / "mode").write_text("hang")
    operator = task(where="job")
    with pytest.raises(TaskDeferred):
        operator.execute(context())
    operator.on_kill()
    assert not (jobs.folder / "stopped").exists()
    assert jobs.status(jobs.submitted()[0]) is JobStatus.RUNNING


def waits(services: Services, context: Make) -> dict[str, Any]:
    """A task that waits in the triggerer for its hanging job; what its resumption is called with."""
    (services.settings.home / "jobs" / "mode").write_text("hang")
    with pytest.raises(TaskDeferred) as deferred:
        task(where="job").execute(context())
    return deferred.value.kwargs or {}


def test_a_job_stopped_on_purpose_fails_the_task_and_a_clear_goes_on(services: Services, jobs: FakeJobs, context: Make) -> None:
    kwargs = waits(services, context)
    jobs.stop(jobs.submitted()[0])
    with pytest.raises(PermanentError, match="stopped on purpose"):
        task(where="job").resume(context(), {"status": "STOPPED"}, **kwargs)
    (jobs.folder / "mode").write_text("run")
    task(where="job").execute(context())
    assert [name[-2:] for name in jobs.submitted()] == ["a1", "a2"]


@pytest.mark.parametrize("status", [JobStatus.STOPPED, JobStatus.FAILED])
def test_a_job_that_ended_while_nobody_waited_costs_no_second_clear(
    services: Services, jobs: FakeJobs, context: Make, status: JobStatus
) -> None:
    """Its task was marked failed, or its run deleted; then the orphan was stopped, or died."""
    waits(services, context)
    jobs.set(jobs.submitted()[0], status)
    (jobs.folder / "mode").write_text("run")
    cleared = context()
    cleared["ti"].try_number, cleared["ti"].max_tries, cleared["ti"].task = 2, 4, SimpleNamespace(retries=3)
    ref = task(where="job").execute(cleared)
    assert [name[-2:] for name in jobs.submitted()] == ["a1", "a2"]
    assert services.ledger.resolve(Ref.from_json(ref)).attempt == 2
    (told,) = services.ledger.ended(task().build(context(), services).key, 0)
    assert told.startswith(f"{status}, with nobody waiting")


def test_a_retry_of_airflows_own_does_not_start_a_stopped_job_again(services: Services, jobs: FakeJobs, context: Make) -> None:
    """The worker was killed while its task waited, and a person stopped the job before the retry."""
    waits(services, context)
    jobs.stop(jobs.submitted()[0])
    retried = context()
    retried["ti"].try_number, retried["ti"].max_tries, retried["ti"].task = 2, 3, SimpleNamespace(retries=3)
    with pytest.raises(PermanentError, match="stopped on purpose"):
        task(where="job").execute(retried)
    assert len(jobs.submitted()) == 1


def test_a_result_that_came_while_nobody_waited_is_taken(services: Services, jobs: FakeJobs, context: Make) -> None:
    kwargs = waits(services, context)
    attempt = Attempt(kwargs["key"], kwargs["generation"], kwargs["number"])
    jobs.finish(job_of(attempt, services.ledger))
    jobs.stop(attempt.job)  # too late
    assert services.ledger.resolve(Ref.from_json(task(where="job").execute(context()))).attempt == 1
    assert len(jobs.submitted()) == 1


def test_a_permanent_error_in_a_job_fails_the_task_as_itself(services: Services, jobs: FakeJobs, context: Make) -> None:
    operator = task(where="job")
    operator.function = "tests.unit.operators.steps:refuse"  # type: ignore[misc]
    with pytest.raises(DataError, match="There are no labels"):
        operator.execute(context())


def test_the_jobs_own_error_survives_a_log_that_does_not_come(
    services: Services, jobs: FakeJobs, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: FakeJobs, name: str, lines: int = 50) -> str:
        raise UnreachableError("Ray does not answer.")

    monkeypatch.setattr(FakeJobs, "logs", away)
    refusing = task(where="job")
    refusing.function = "tests.unit.operators.steps:refuse"  # type: ignore[misc]
    with pytest.raises(DataError, match="There are no labels"):
        refusing.execute(context())
    (jobs.folder / "mode").write_text("die")
    with pytest.raises(DataError, match="There are no labels"):  # it died without a word: the same inputs ended so before
        refusing.execute(context())
    with pytest.raises(JobFailedError, match="its log could not be read: Ray does not answer"):
        task(where="job").execute(context())


def test_a_backend_that_calls_every_job_failed_is_asked_once_an_attempt(
    services: Services, jobs: FakeJobs, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clears, two attempts: no attempt is made for a job that no task has submitted."""
    monkeypatch.setattr(FakeJobs, "status", lambda self, name: JobStatus.FAILED)
    (jobs.folder / "mode").write_text("hang")
    for clear in (1, 2):
        with pytest.raises(JobFailedError, match="ended as FAILED without a result"):
            task(where="job").execute(context())
        assert len(services.ledger.ended(task().build(context(), services).key, 0)) == clear
