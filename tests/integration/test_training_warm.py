"""A training on a real Ray head whose job and workers are forked warm: the same model, killed or not; stopped as any other."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.backends.ray.jobs import RayJobs, open_jobs
from include.core.environment import WARM_SOCKET
from include.core.ledger import Ledger
from include.core.ports import JobStatus
from include.core.request import Json
from include.core.settings import Settings
from include.core.task import job_of
from include.training.job import Floats, TrainingJob
from tests.support.ends import is_gone
from tests.support.ray_head import running_ray_head, submit
from tests.support.training_example import NETWORK, table, train_request, training_set

if TYPE_CHECKING:
    from include.backends.lightning.plan import Plan
    from include.models.flight_delay.network import FlightDelay

pytestmark = [pytest.mark.integration_ray, pytest.mark.slow, pytest.mark.whole, pytest.mark.timeout(600)]
HERE = "tests.integration.test_training_warm"


def note(folder: str, what: str) -> None:
    """Who this process is, and of whom it was forked."""
    with (Path(folder) / "notes").open("a") as file:
        file.write(json.dumps({"what": what, "pid": os.getpid(), "parent": os.getppid()}) + "\n")


def fit(job: TrainingJob) -> None:
    from include.backends.ray.train import fit_lightning

    note(str(job.params["mark"]), "job")
    fit_lightning(job, build)


def build(plan: Plan, features: Floats) -> FlightDelay:
    from include.models.flight_delay import train

    note(str(plan.params["mark"]), "worker")
    while plan.params.get("waits") and (Path(str(plan.params["mark"])) / "wait").exists():
        time.sleep(0.1)
    return train.build(plan, features)


@dataclass
class Head:
    folder: Path
    jobs: RayJobs
    ledger: Ledger
    count: int = 0

    def start(self, cold: bool = False, **params: Json) -> tuple[str, str, Path]:
        """A training of two workers: its job's name, its key, and where its processes leave notes."""
        self.count += 1
        mark = self.folder / str(self.count)
        mark.mkdir()
        (mark / "wait").touch()
        data = training_set(self.ledger, self.folder / "in", table(), table(200, seed=2))
        given = {**NETWORK, "mark": str(mark), **params}
        request = train_request(self.ledger, data, f"{HERE}:fit", params=given, workers=2)
        job = job_of(self.ledger.open_attempt(request.key, 0), self.ledger)
        submit(self.jobs, replace(job, env={**job.env, WARM_SOCKET.name: ""}) if cold else job)
        return job.name, request.key, mark

    def over(self, name: str) -> JobStatus:
        while not (status := self.jobs.status(name)).over:
            time.sleep(0.2)
        return status

    def model(self, name: str, key: str) -> str:
        assert self.over(name) is JobStatus.SUCCEEDED, self.jobs.logs(name)
        result = self.ledger.result(key)
        assert result is not None
        return result.files["model.onnx"].digest


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    folder = tmp_path_factory.mktemp("warm")
    with running_ray_head(folder / "head.log", cpus=2, warm=True) as (url, token):
        ours = {
            "SLIPSTREAM_HOME": str(folder / "home"), "SLIPSTREAM_RAY_URL": url, "SLIPSTREAM_REGISTRY": "folder",
            "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1",
        }  # fmt: skip
        settings = Settings.from_env({**os.environ, **ours})
        yield Head(folder, open_jobs(settings), Ledger(settings.storage()))


def notes(folder: Path, what: str) -> list[dict[str, int]]:
    path = folder / "notes"
    lines = path.read_text().splitlines() if path.exists() else []
    return [each for each in map(json.loads, lines) if each["what"] == what]


def wait_until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(0.1)


def test_what_is_forked_warm_makes_the_cold_ones_model_though_a_worker_is_killed(head: Head) -> None:
    cold_name, cold_key, cold_notes = head.start(cold=True)
    expected = head.model(cold_name, cold_key)
    name, key, mark = head.start(waits=True)
    wait_until(lambda: len(notes(mark, "worker")) == 2)
    (server,) = {each["parent"] for each in (*notes(mark, "job"), *notes(mark, "worker"))}
    assert server not in {each["parent"] for each in (*notes(cold_notes, "job"), *notes(cold_notes, "worker"))}
    os.kill(notes(mark, "worker")[0]["pid"], signal.SIGKILL)
    (mark / "wait").unlink()
    assert head.model(name, key) == expected
    assert len(notes(mark, "worker")) >= 3
    assert {each["parent"] for each in notes(mark, "worker")} == {server}
    assert "starts cold" not in head.jobs.logs(name)


def test_a_job_that_is_stopped_leaves_no_process_of_its_own(head: Head) -> None:
    name, _, mark = head.start(waits=True)
    wait_until(lambda: len(notes(mark, "worker")) == 2)
    head.jobs.stop(name)
    assert head.over(name) is JobStatus.STOPPED
    pids = [each["pid"] for each in (*notes(mark, "job"), *notes(mark, "worker"))]
    wait_until(lambda: all(map(is_gone, pids)))
