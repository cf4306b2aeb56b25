"""The demonstration's runs: followed to their end, and found again by a demo that was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.core.errors import JobFailedError
from include.demo import runs as module
from include.demo.journal import Journal
from include.demo.runs import Runs


class Airflow:
    """Runs that are over when they are looked at, as `state` says."""

    def __init__(self) -> None:
        self.triggered: list[tuple[str, dict[str, Any]]] = []
        self.by_event: list[str] = []
        self.state = "success"

    def trigger(self, dag_id: str, **conf: Any) -> str:
        self.triggered.append((dag_id, conf))
        return f"manual__{len(self.triggered)}"

    def runs(self, dag_id: str) -> list[dict[str, str]]:
        return [{"run_type": "asset_triggered", "dag_run_id": name} for name in self.by_event]

    def wait_for_run(self, dag_id: str, run: str, tick: Callable[[dict[str, str]], None], poll: float) -> str:
        tick({"train": "running", "evaluate": "waiting"})
        tick({"train": "running", "evaluate": "waiting"})
        tick({"train": self.state, "evaluate": "waiting"})
        return self.state


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


@pytest.fixture
def runs(airflow: Airflow, tmp_path: Path) -> Runs:
    return Runs(airflow, Journal.load(tmp_path / "demo.json"), "flights")  # type: ignore[arg-type]


def again(runs: Runs) -> Runs:
    """As a new process finds them."""
    return Runs(runs.airflow, Journal.load(runs.journal.path), runs.model)


def test_a_run_that_was_not_seen_to_end_is_followed_by_the_next_demo_and_no_second_one_starts(
    runs: Runs, airflow: Airflow
) -> None:
    begun = runs.start("training", as_of="2013-02-25")
    assert again(runs).start("training", as_of="2013-02-25") == begun
    assert airflow.triggered == [("flights_training", {"as_of": "2013-02-25"})]


def test_after_its_end_the_next_start_is_a_new_run(runs: Runs, airflow: Airflow) -> None:
    runs.finish("training", runs.start("training"))
    assert again(runs).start("training") == "manual__2"


def test_a_change_of_a_task_is_told_once(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs.finish("training", "one")
    assert capsys.readouterr().out.splitlines() == ["  training.train: running", "  training.train: success"]


def test_a_failed_run_is_an_error_unless_it_may_fail(runs: Runs, airflow: Airflow) -> None:
    airflow.state = "failed"
    runs.finish("rollout", runs.start("rollout"), must=False)
    with pytest.raises(JobFailedError, match="The rollout run"):
        runs.finish("rollout", runs.start("rollout"))


def test_each_event_brings_the_run_that_was_not_followed_yet(runs: Runs, airflow: Airflow) -> None:
    airflow.by_event = ["first"]
    assert runs.started("rollout") == "first"
    assert again(runs).started("rollout") == "first"  # interrupted: still that one
    runs.finish("rollout", "first")
    airflow.by_event = ["first", "second"]
    assert runs.started("rollout") == "second"


def test_an_event_that_starts_nothing_is_an_error(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENT", 0.0)
    with pytest.raises(JobFailedError, match="No event started flights_training"):
        runs.started("training")
