"""Airflow as a dictionary: DAGs, their runs and tasks, and every run that was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from include.core.errors import NotReadyError, UnreachableError
from include.core.request import Json
from include.reconcile.airflow import OVER, RunState


@dataclass
class FakeAirflow:
    """A DAG that nobody made is not there; a run that nobody made is gone."""

    dags: dict[str, bool] = field(default_factory=dict)  # whether it is paused
    runs: dict[tuple[str, str], RunState] = field(default_factory=dict)
    states: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    made: list[tuple[str, str, dict[str, Json]]] = field(default_factory=list)
    broken: bool = False  # its DAG files have errors: no run can be made
    away: bool = False
    asked: int = 0

    def paused(self, dag_id: str) -> bool | None:
        self._answer()
        return self.dags.get(dag_id)

    def run(self, dag_id: str, run_id: str) -> RunState:
        self._answer()
        return self.runs.get((dag_id, run_id), RunState.GONE)

    def tasks(self, dag_id: str, run_id: str) -> Mapping[str, str]:
        self._answer()
        return self.states.get((dag_id, run_id), {})

    def unfinished(self, dag_id: str) -> int:
        self._answer()
        return sum(dag == dag_id and not state.over for (dag, _), state in self.runs.items())

    def waiting(self, dag_id: str, task_id: str) -> int:
        self._answer()
        found = (tasks[task_id] for (dag, _), tasks in self.states.items() if dag == dag_id and task_id in tasks)
        return sum(bool(state) and state not in OVER for state in found)

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Json]) -> bool:
        self._answer()
        if self.broken:
            raise NotReadyError(f"Airflow makes no run of {dag_id}: it has import errors.")
        if (dag_id, run_id) in self.runs:
            return False
        self.runs[dag_id, run_id] = RunState.QUEUED
        self.made.append((dag_id, run_id, dict(conf)))
        return True

    def _answer(self) -> None:
        self.asked += 1
        if self.away:
            raise UnreachableError("Airflow's execution API did not answer the reconciler.")
