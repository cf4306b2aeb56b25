"""A real Airflow with the toy models' DAGs, and a person at its API."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from include.core.errors import SlipstreamError
from include.local.connections import addresses
from include.local.platform import Platform
from include.services.services import Services
from operators.hooks import open_services
from tests.hands import toys
from tests.hands.specs import PACKAGE, dag_of
from tests.support.airflow_world import World, airflow_world
from tests.support.webhook import Webhook

PATIENCE = float(os.environ.get("HANDS_PATIENCE", "180"))  # seconds; only a trial that goes wrong waits so long
CLICKS = 3  # times that a person clicks where Airflow answers with an error of its own
DAGS = Path(__file__).parent / "dags" / "hands.py"
SETTINGS = {"SLIPSTREAM_MODELS": PACKAGE, "SLIPSTREAM_JOB_BACKEND": "process", "SLIPSTREAM_REGISTRY": "folder"}
OVER = ("success", "failed")
FINISHED = ("success", "failed", "skipped", "upstream_failed", "removed")
T = TypeVar("T")


class Stuck(Exception):
    """Something did not happen in time."""


def wait(look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    until = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > until:
            raise Stuck(f"not within {seconds:.0f} s: {what}; seen: {seen!r}")
        time.sleep(0.3)
    return seen


@dataclass
class Hand:
    """What a person does to one DAG, and sees of it."""

    world: World
    dag_id: str

    @property
    def gates(self) -> Path:
        return toys.folder(self.world.platform.home, self.dag_id)

    # -- gates ---------------------------------------------------------------------------------------------

    def hold(self, task: str, state: str) -> None:
        (self.gates / f"{task}.{state}").touch()

    def held(self, task: str, state: str) -> bool:
        return (self.gates / f"{task}.{state}.held").exists()

    def open(self) -> None:
        for path in self.gates.iterdir():
            path.unlink(missing_ok=True)

    # -- looking -------------------------------------------------------------------------------------------

    def runs(self) -> dict[str, str]:
        return {run["dag_run_id"]: run["state"] for run in self.world.airflow.runs(self.dag_id)}

    def tasks(self, run_id: str) -> dict[str, str]:
        return self.world.airflow.tasks(self.dag_id, quote(run_id, safe=""))

    def quiet(self) -> bool:
        """No run is under way, and no event waits to become one."""
        if any(state not in OVER for state in self.runs().values()):
            return False
        try:
            return not self.world.airflow.get(f"/dags/{self.dag_id}/assets/queuedEvents")["queued_events"]
        except Exception:  # noqa: BLE001 - 404: there is none
            return True

    def settle(self) -> None:
        """Until nothing goes on any more, twice in a row."""
        for _ in range(2):
            wait(self.quiet, f"the runs of {self.dag_id} end: {self.told()}")
            time.sleep(0.7)

    def told(self) -> str:
        return "; ".join(f"{run} {state} {self.tasks(run)}" for run, state in self.runs().items() if state not in OVER)

    # -- doing ---------------------------------------------------------------------------------------------

    def trigger(self, **conf: Any) -> str:
        return self.world.airflow.trigger(self.dag_id, **conf)

    def clear(self, run_id: str, task: str, *, below: bool = False) -> None:
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run_id, "task_ids": [task], "include_downstream": below}
        self.world.airflow.post(f"/dags/{self.dag_id}/clearTaskInstances", body)

    def mark(self, run_id: str, task: str, state: str) -> None:
        self._patch(f"{self._path(run_id)}/taskInstances/{task}", {"new_state": state})

    def mark_run(self, run_id: str, state: str) -> None:
        self._patch(self._path(run_id), {"state": state})

    def _patch(self, path: str, body: dict[str, str]) -> None:
        """A click that Airflow's own database refused (a deadlock with its scheduler) did nothing: it is made again."""
        for _ in range(CLICKS - 1):
            try:
                self.world.airflow.patch(path, body)
                return
            except SlipstreamError as error:
                if "Database error" not in str(error):
                    raise
                time.sleep(1)
        self.world.airflow.patch(path, body)

    def delete(self, run_id: str) -> None:
        self.world.airflow._call("DELETE", self._path(run_id))

    def pause(self, paused: bool) -> None:
        self.world.airflow.patch(f"/dags/{self.dag_id}", {"is_paused": paused})

    def send(self, asset: str, **extra: Any) -> None:
        listed = self.world.airflow.get(f"/assets?name_pattern={asset}")["assets"]
        number = next(one["id"] for one in listed if one["name"] == asset)
        self.world.airflow.post("/assets/events", {"asset_id": number, "extra": extra})

    def backfill(self, first: str, last: str) -> int:
        # To the end of the last day: a run's logical date has the schedule's time of day.
        body = {"dag_id": self.dag_id, "from_date": f"{first}T00:00:00Z", "to_date": f"{last}T23:59:59Z", "max_active_runs": 1,
                "reprocess_behavior": "completed"}  # fmt: skip
        return int(self.world.airflow.post("/backfills", body)["id"])

    def cancel(self, backfill: int) -> None:
        self.world.airflow._call("PUT", f"/backfills/{backfill}/cancel")

    def _path(self, run_id: str) -> str:
        return f"/dags/{self.dag_id}/dagRuns/{quote(run_id, safe='')}"


@contextmanager
def hands_world(models: tuple[str, ...], *, warm: bool, home: Path | None = None) -> Iterator[tuple[World, Services]]:
    """Airflow with the DAGs of these models switched on, and this process's services on the same stores.

    `home`: of a platform that runs already, whose DAG folder has these DAGs; without it one is started, and stopped.
    """
    with ExitStack() as opened:
        switched_on = [dag_of(model) for model in models]
        world = _running(home, switched_on) if home else opened.enter_context(_started(switched_on, warm=warm))
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        for name, value in {**addresses(world.platform), **SETTINGS}.items():
            patch.setenv(name, value)
        for name in ("RAY", "MLFLOW", "GATEWAY"):
            patch.setenv(f"AIRFLOW_CONN_SLIPSTREAM_{name}", "http://:secret@127.0.0.1:1")
        yield world, open_services()


@contextmanager
def _started(dag_ids: Sequence[str], *, warm: bool) -> Iterator[World]:
    webhook = Webhook()
    alerts = json.dumps({"conn_type": "http", "host": webhook.url})
    more = {"SLIPSTREAM_WARM": "1" if warm else "0", "AIRFLOW_CONN_SLIPSTREAM_ALERTS": alerts}
    try:
        with airflow_world(dag_ids=dag_ids, SLIPSTREAM_DAGS=str(DAGS.parent), **SETTINGS, **more) as world:
            yield world
    finally:
        webhook.stop()


def _running(home: Path, dag_ids: Sequence[str]) -> World:
    world = World(Platform(home, Platform(home).running_ports()))
    for dag_id in dag_ids:
        world.airflow.wait_for_dag(dag_id)
    return world
