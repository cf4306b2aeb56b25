"""Waiting for a run: by its tasks, and by itself where a person has ended it."""

from __future__ import annotations

from typing import Any

import pytest

from include.backends.airflow.client import UNASKED, AirflowClient
from include.core.connection import Connection
from include.core.errors import JobFailedError


class Played(AirflowClient):
    """Answers with the next of each list; the last one stays."""

    def play(self, tasks: list[dict[str, str]], states: list[str]) -> None:
        self.__dict__.update(left=tasks, states=states, asked=0)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        left: list[dict[str, str]] = self.__dict__["left"]
        return left.pop(0) if len(left) > 1 else left[0]

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        self.__dict__["asked"] += 1
        states: list[str] = self.__dict__["states"]
        return {"state": states.pop(0) if len(states) > 1 else states[0]}


@pytest.fixture
def airflow() -> Played:
    return Played(Connection("http://127.0.0.1:1", "admin", ""))


def wait(airflow: Played, seconds: float = 900) -> tuple[str, list[dict[str, str]]]:
    seen: list[dict[str, str]] = []
    return airflow.wait_for_run("dag", "run", seen.append, seconds=seconds, poll=0), seen


def test_the_run_is_asked_for_once_its_tasks_are_over(airflow: Played) -> None:
    airflow.play([{"a": "running"}, {"a": "success"}], ["running", "success"])
    assert wait(airflow) == ("success", [{"a": "running"}, {"a": "success"}, {"a": "success"}])
    assert airflow.__dict__["asked"] == 2


def test_a_run_that_was_marked_is_over_though_a_task_never_ran(airflow: Played) -> None:
    airflow.play([{"a": "success", "b": "waiting"}], ["failed"])
    state, seen = wait(airflow)
    assert (state, len(seen)) == ("failed", UNASKED)


def test_one_that_never_ends_is_an_error_with_the_states_of_its_tasks(airflow: Played) -> None:
    airflow.play([{"a": "queued"}], ["running"])
    with pytest.raises(JobFailedError, match="queued"):
        wait(airflow, seconds=-1)
