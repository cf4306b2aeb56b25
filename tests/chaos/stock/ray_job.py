"""Row: Airflow's ResumableJobMixin around a Ray job, written after its docstring."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx
from airflow.sdk import BaseOperator
from airflow.sdk.bases.resumablejobmixin import ResumableJobMixin

from include.core.fault import point
from tests.chaos.protocol import Absent, Backends, Call, Cell, Clear, Cut, Down, Kill, Overlap, Pause, State, Variant
from tests.chaos.stock.step import StateStore, StockStep
from tests.chaos.world import World

RAY = Backends(jobs="ray")
SUBMITTED = ("stock.submitted",)


class RayJobOperator(ResumableJobMixin, BaseOperator):
    """Submits a Ray job over its REST interface and waits for it."""

    external_id_key = "ray_job_id"

    def __init__(self, *, world: World, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._world = world

    def execute(self, context: Any) -> Any:
        return self.execute_resumable(context)

    def submit_job(self, context: Any) -> str:
        home = self._world.home
        script = f"echo job >> {home}/jobs-run; sleep 0.3; echo model > {home}/model"
        answer = self._client.post("/api/jobs/", json={"entrypoint": f"sh -c '{script}'"})
        answer.raise_for_status()
        point("stock.submitted")
        return str(answer.json()["submission_id"])

    def get_job_status(self, external_id: Any, context: Any) -> str:
        return str(self._client.get(f"/api/jobs/{external_id}").raise_for_status().json()["status"])

    def is_job_active(self, status: str) -> bool:
        return status in ("RUNNING", "PENDING")

    def is_job_succeeded(self, status: str) -> bool:
        return status == "SUCCEEDED"

    def poll_until_complete(self, external_id: Any, context: Any) -> None:
        while self.is_job_active(status := self.get_job_status(external_id, context)):
            time.sleep(0.1)
        if not self.is_job_succeeded(status):
            raise RuntimeError(f"job {external_id} ended as {status}")

    def get_job_result(self, external_id: Any, context: Any) -> str:
        return (self._world.home / "model").read_text().strip()

    @property
    def _client(self) -> httpx.Client:
        token = {"Authorization": f"Bearer {self._world.servers.ray_token}"}
        return httpx.Client(base_url="http://{}:{}".format(*self._world.at("jobs")), headers=token, timeout=20)


class RayJob(StockStep):
    name = "ray_job"
    title = "submit: ResumableJobMixin, Ray"
    promise = "one job; its result is the task's result"
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(("stock.begin",)), RAY),),
        "F2": (Variant(Kill(SUBMITTED), RAY),),
        "F3": Absent("a submission is one request"),
        "F4": (Variant(Kill(("stock.persisted",)), RAY),),
        "F5": (Variant(Cut("jobs"), RAY),),
        "F6": Absent("the task writes no file"),
        "F7": (Variant(Pause(SUBMITTED), RAY),),
        "F8": (Variant(Overlap(SUBMITTED), RAY),),
        "F9": (Variant(Clear(), RAY),),
        "F10": (Variant(Down("jobs"), RAY),),
    }

    def work(self, world: World, call: Call) -> Any:
        operator = RayJobOperator(task_id="work", world=world)
        return operator.execute({"task_state_store": StateStore(world.home / "state.json")})

    def left(self, world: World) -> State:
        time.sleep(0.5)  # a second job may still be starting
        path = world.home / "jobs-run"
        return {"jobs": len(path.read_text().splitlines()) if path.exists() else 0}


STEP = RayJob()
