"""What the reconciler asks of Airflow: the port. operators/reconcile.py answers from within a task, include/cli over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from include.core.errors import NotReadyError
from include.core.request import Json

OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})  # states of a task that goes no further


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    GONE = "gone"  # there is no such run: it was deleted, or never made

    @property
    def over(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)


class Airflow(Protocol):
    """Every method raises UnreachableError where Airflow does not answer."""

    def paused(self, dag_id: str) -> bool | None:
        """Whether a DAG is paused; None if there is none of that name."""

    def run(self, dag_id: str, run_id: str) -> RunState: ...

    def tasks(self, dag_id: str, run_id: str) -> Mapping[str, str]:
        """State by task of one run; empty where a task has none yet."""

    def unfinished(self, dag_id: str) -> int:
        """How many of a DAG's runs are queued or running."""

    def waiting(self, dag_id: str, task_id: str) -> int:
        """How many instances of a task are under way in whatever run."""

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Json]) -> bool:
        """Make a run under our name for it. False if there is a run of that name already.

        Raises NotReadyError where Airflow refuses to run the DAG: it is gone, or its file has errors.
        """


class NoAirflow:
    """Where nobody can ask Airflow: whatever depends on an answer is reported as unknown."""

    def _unknown(self) -> NotReadyError:
        return NotReadyError(
            "There is no connection to Airflow, so this cannot be known.",
            safe="nothing was changed.",
            hint="set AIRFLOW_CONN_SLIPSTREAM_AIRFLOW (`make up` writes it to connections.env), or read the log of the DAG "
            "slipstream_reconcile.",
        )

    def paused(self, dag_id: str) -> bool | None:
        del dag_id
        raise self._unknown()

    def run(self, dag_id: str, run_id: str) -> RunState:
        del dag_id, run_id
        raise self._unknown()

    def tasks(self, dag_id: str, run_id: str) -> Mapping[str, str]:
        del dag_id, run_id
        raise self._unknown()

    def unfinished(self, dag_id: str) -> int:
        del dag_id
        raise self._unknown()

    def waiting(self, dag_id: str, task_id: str) -> int:
        del dag_id, task_id
        raise self._unknown()

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Json]) -> bool:
        del dag_id, run_id, conf
        raise self._unknown()
