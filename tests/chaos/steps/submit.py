"""Row: submit training. One live job a key, ever, whoever submits it and however often."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.protocol import (
    Backends,
    Backfill,
    Cell,
    Clear,
    Cut,
    Down,
    Finding,
    Full,
    Lose,
    Pause,
    Restart,
    State,
    Variant,
    kills,
)
from tests.chaos.steps.common import PUBLISHED, Holdings, OperatorStep, compare, life, snapshot, values
from tests.chaos.world import World
from tests.support.operator_runs import MODEL
from tests.support.wired import TrainModelOperator

BEFORE = ("ledger.attempt.open", "ledger.attempt.opened", "compute.submit")
MIDDLE = ("jobs.claimed", "storage.create.temporary", "storage.create.linked")
UNRECORDED = ("compute.submitted",)
REPORTED = ("compute.deliver", "compute.delivered")
ANYWHERE = (*BEFORE, *MIDDLE, *UNRECORDED, *REPORTED)
RAY = Backends(jobs="ray")
NOBODYS = "Entrypoint not found."  # Ray's words in a record that it makes for a job it does not know
FORGOTTEN, PATIENT, ACTOR = 60.0, 5.0, 1.0  # seconds: to forget a trial's jobs, before they are stopped, for an actor to go


class Submit(OperatorStep):
    name = "submit"
    title = "submit training"
    promise = "one live job a key, ever; its result stands"
    models = "tests.chaos.models.counted"
    base = PUBLISHED
    tasks = ("train",)
    cells: Mapping[str, Cell] = {
        "F1": kills(BEFORE, RAY),
        "F2": kills(UNRECORDED, RAY),
        "F3": kills(MIDDLE, RAY),
        "F4": kills(REPORTED, RAY),
        "F5": (Variant(Cut("jobs"), RAY), Variant(Lose(UNRECORDED))),
        "F6": (Variant(Full()),),
        "F7": (Variant(Pause(ANYWHERE)), Variant(Pause(ANYWHERE), RAY)),
        "F8": (Variant(Restart()), Variant(Restart(), RAY)),
        "F9": (Variant(Clear()), Variant(Backfill()), Variant(Clear(), RAY), Variant(Backfill(), RAY)),
        "F10": (Variant(Down("jobs"), RAY),),
    }

    def operator(self, task: str) -> Any:
        return TrainModelOperator(task_id=task, model=MODEL, where="job", poll_seconds=0.1)

    def prepare(self, world: World) -> dict[str, Any]:
        shop, run = life(), snapshot()
        made = shop.result(run.xcom["build_training_set"])
        files = {name: shop.services.ledger.fetch(made, name, world.temporary) for name in made.files}
        # Slots share a Ray head, or SageMaker: each has a training set, and so a job's name, of its own.
        own = shop.commit("training_set", {**made.value, "slot": world.number}, files)
        return {"xcom": {"build_training_set": own}}

    def reset(self, world: World) -> None:
        """Have the Ray head forget the jobs of trials before: a name is taken for ever otherwise.

        It forgets none that it takes to run, as it does for a while after a kill; and the actor of a job that has just
        ended holds its name a little longer: a new job of that name would die with it. Who watched a job that is then
        forgotten may still write down that it died: such a record holds the name, and nothing else.
        """
        head, began = client(world), time.monotonic()
        while jobs := [*ray_jobs(world), *(job for job in all_jobs(world) if job["entrypoint"] == NOBODYS)]:
            waited = time.monotonic() - began
            for job in jobs:
                if waited > PATIENT:
                    head.post(f"/api/jobs/{job['submission_id']}/stop")
                head.delete(f"/api/jobs/{job['submission_id']}")
            if waited > FORGOTTEN:
                raise RuntimeError(f"after {FORGOTTEN:.0f} s the Ray head still holds {jobs}")
            time.sleep(ACTOR)

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        home = holdings.services.settings.home
        names = [job["submission_id"] for job in ray_jobs(world)] if world.on.jobs == "ray" else []
        names += [folder.name for folder in (home / "jobs").glob("*")]
        attempts = [path for path in holdings.paths if path.startswith("ledger/train/") and is_attempt(path)]
        starts = (home / "starts").read_text().split() if (home / "starts").exists() else []
        return {
            **holdings.state(),
            "returned": values(runs)[:1],
            "jobs": {"names": len(names), "starts": len(starts), "attempts": len(attempts)},
        }

    def check(self, twin: State, seen: State) -> list[Finding]:
        jobs = seen["jobs"]
        findings = compare({**twin, "jobs": {}}, {**seen, "jobs": {}})
        if jobs["starts"] > jobs["attempts"] or jobs["names"] > jobs["attempts"]:
            findings.append(Finding("doubled", f"jobs: {jobs}"))
        # A job that was never started, or died with its disk, is followed by another attempt; none runs beside it.
        if jobs["starts"] < 1:
            findings.append(Finding("lost", f"jobs: {jobs}"))
        return findings


def is_attempt(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("attempt-") and name.removeprefix("attempt-").removesuffix(".json").isdigit()


def client(world: World) -> Any:
    import httpx

    headers = {"Authorization": f"Bearer {world.servers.ray_token}"}
    host, port = world.servers.at["jobs"]
    return httpx.Client(base_url=f"http://{host}:{port}", headers=headers, timeout=30, trust_env=False)


def all_jobs(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client(world).get("/api/jobs/").json()
    return found


def ray_jobs(world: World) -> list[dict[str, Any]]:
    """The jobs that tasks of this world's home have submitted."""
    home = str(world.home)
    return [job for job in all_jobs(world) if (job.get("runtime_env") or {}).get("env_vars", {}).get("SLIPSTREAM_HOME") == home]


STEP = Submit()
