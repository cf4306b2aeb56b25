"""What waits in the triggerer: when it looks, and when it fires."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.errors import PermanentError, UnreachableError
from include.core.ports import JobStatus
from operators.triggers import JobTrigger, QuestionTrigger
from tests.support.operator_runs import fired


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every wait (its seconds) and every look (a word), in their order; nothing really waits."""
    told: list[Any] = []

    async def sleep(seconds: float) -> None:
        told.append(seconds)

    async def at_once(function: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    fake = SimpleNamespace(sleep=sleep, to_thread=at_once, get_running_loop=asyncio.get_running_loop)
    monkeypatch.setattr("operators.triggers.asyncio", fake)
    return told


def answering(seen: list[Any], *answers: Any) -> Any:
    """A function that gives these answers, one a call; an exception is raised."""
    left = iter(answers)

    def look(*args: object, **kwargs: object) -> Any:
        seen.append("look")
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return look


def job_trigger(monkeypatch: pytest.MonkeyPatch, look: Any) -> JobTrigger:
    monkeypatch.setattr("operators.triggers._open_jobs", lambda backend: SimpleNamespace(status=look))
    return JobTrigger(backend="process", name="j-g0-a1", poll_seconds=2.0)


def test_a_job_that_is_over_is_reported_of_after_one_poll(seen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = job_trigger(monkeypatch, answering(seen, JobStatus.SUCCEEDED))
    assert fired(trigger) == {"status": "SUCCEEDED"}
    assert seen == [2.0, "look"]  # Airflow 3.3.2 retries a task whose trigger fires too soon


def test_a_silent_backend_is_asked_again_and_a_job_it_forgot_is_reported_of_at_the_third_look(
    seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, unknown = UnreachableError("The Ray head does not answer."), JobStatus.UNKNOWN
    trigger = job_trigger(monkeypatch, answering(seen, unknown, silent, unknown, unknown, JobStatus.RUNNING, *[unknown] * 3))
    monkeypatch.setattr("operators.triggers.random.uniform", lambda low, high: high)
    assert fired(trigger) == {"status": "UNKNOWN"}
    assert seen == [2.0, "look", 2.0, "look", 4.0, "look", *[2.0, "look"] * 5]


def test_a_throttled_look_is_no_failure_and_the_next_ones_come_ever_later_at_no_common_moment(
    seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    throttled = UnreachableError("AWS takes no more requests now.")
    trigger = job_trigger(monkeypatch, answering(seen, *[throttled] * 7, JobStatus.RUNNING, JobStatus.SUCCEEDED))
    assert fired(trigger) == {"status": "SUCCEEDED"}
    waited = [each for each in seen if each != "look"]
    longest = (4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0)
    assert (waited[0], waited[-1]) == (2.0, 2.0)
    assert all(most / 2 <= each <= most for each, most in zip(waited[1:-1], longest, strict=True)), waited
    assert len(set(waited)) > 5


def test_a_question_is_asked_first_after_one_poll_and_again_until_it_is_answered(
    seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = answering(seen, None, UnreachableError("The control store does not answer."), {"answer": "promote"})
    monkeypatch.setattr("operators.triggers.load", lambda name: look)
    assert fired(QuestionTrigger("a:b", {}, seconds=3600, poll_seconds=2.0)) == {"answer": {"answer": "promote"}}
    assert seen == [2.0, "look"] * 3


def test_at_its_deadline_a_question_has_been_asked_at_least_once(seen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operators.triggers.load", lambda name: answering(seen, None, None))
    assert fired(QuestionTrigger("a:b", {}, seconds=0, poll_seconds=2.0)) == {"answer": None}
    assert seen == [2.0, "look"]


@pytest.mark.parametrize(
    "trigger",
    [JobTrigger("process", "j-g0-a1", 0.5), QuestionTrigger("a:b", {"model": "shop"}, 60.0, 0.5)],
    ids=["job", "question"],
)
def test_a_trigger_is_the_same_after_it_was_stored(trigger: Any) -> None:
    path, kwargs = trigger.serialize()
    assert path == f"operators.triggers.{type(trigger).__name__}"
    assert vars(type(trigger)(**kwargs)).items() >= kwargs.items()


@pytest.mark.parametrize(
    "error", [OSError("stale handle"), ValueError("a row that nobody can read"), KeyError("status"), RuntimeError()]
)
def test_whatever_one_look_dies_of_the_next_is_taken_and_it_is_reported(
    seen: list[Any], monkeypatch: pytest.MonkeyPatch, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert fired(job_trigger(monkeypatch, answering(seen, error, JobStatus.FAILED))) == {"status": "FAILED"}
    monkeypatch.setattr("operators.triggers.load", lambda name: answering(seen, error, "promote"))
    assert fired(QuestionTrigger("m:f", {}, seconds=60.0)) == {"answer": "promote"}
    assert seen.count("look") == 4


def test_a_backend_that_cannot_be_opened_at_first_is_opened_by_a_later_look(
    seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    backends = iter([OSError("no network yet"), SimpleNamespace(status=answering(seen, JobStatus.SUCCEEDED))])

    def opens(backend: str) -> Any:
        found = next(backends)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr("operators.triggers._open_jobs", opens)
    assert fired(JobTrigger(backend="process", name="j-g0-a1")) == {"status": "SUCCEEDED"}


def test_an_error_that_stays_lets_the_task_ask_the_backend_itself(seen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [PermanentError("the token is refused")] * 3
    assert fired(job_trigger(monkeypatch, answering(seen, *looks))) == {"status": "UNKNOWN"}


def test_a_job_whose_time_is_over_is_reported_of_and_so_is_one_whose_backend_is_silent(
    seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = SimpleNamespace(status=answering(seen, JobStatus.RUNNING, UnreachableError("down")))
    monkeypatch.setattr("operators.triggers._open_jobs", lambda name: backend)
    for status in ("RUNNING", "None"):
        trigger = JobTrigger("process", "j-g0-a1", 2.0, until=1.0)
        assert trigger.serialize()[1]["until"] == 1.0
        assert fired(trigger) == {"status": status}
    assert "until" not in JobTrigger("process", "j-g0-a1").serialize()[1]  # read by an earlier release, too


def test_what_a_pending_job_waits_for_is_logged_when_it_changes(
    seen: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pending = [JobStatus.PENDING] * 4
    words = answering(seen, "8 GPU", "8 GPU", UnreachableError("down"), "4 GPU")
    backend = SimpleNamespace(status=answering(seen, *pending, JobStatus.SUCCEEDED), waits_for=words)
    monkeypatch.setattr("operators.triggers._open_jobs", lambda backend_name: backend)
    monkeypatch.setattr("operators.triggers.SAY_AFTER", 0.0)
    trigger, said = JobTrigger("process", "j-g0-a1"), list[str]()
    monkeypatch.setattr(JobTrigger, "log", SimpleNamespace(info=lambda text, *args: said.append(text % args)))
    fired(trigger)
    assert said == [f"Job j-g0-a1 waits: {what}" for what in ("8 GPU", "down", "4 GPU")]
