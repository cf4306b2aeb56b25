"""A fit on a real Ray cluster of several nodes: one is killed, one is to go, new ones come; the job is one attempt throughout."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from include.backends.ray import jobs as ray_jobs
from include.backends.ray.jobs import RayJobs
from include.core.ledger import Attempt, Ledger
from include.core.needs import Needs
from include.core.ports import JobStatus
from include.core.settings import Settings
from include.core.spec.resources import Resources
from include.core.task import job_of
from tests.support.ray_head import free_port, running_ray_head, submit
from tests.support.ray_nodes import RayNodes
from tests.support.training_example import NETWORK, table, train_request, training_set

pytestmark = [pytest.mark.integration_ray, pytest.mark.slow, pytest.mark.whole]

ONE_EACH = Needs(Resources(cpus=1), 2)  # one worker a node
EVERY = 40


class Watched:
    """A job that trains, by its log."""

    def __init__(self, jobs: RayJobs, attempt: Attempt) -> None:
        self.jobs, self.attempt = jobs, attempt

    def until(self, what: Callable[[str], bool]) -> None:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            if what(self.log()):
                return
            assert not self.jobs.status(self.attempt.job).over, self.log()
            time.sleep(0.5)
        raise AssertionError(f"it did not come to that:\n{self.log()}")

    def log(self) -> str:
        return self.jobs.logs(self.attempt.job, 1000)


def test_a_fit_goes_on_while_nodes_are_killed_drained_and_added(tmp_path: Path) -> None:
    folder, port = Path(tempfile.mkdtemp(prefix="ray-")), free_port()
    nodes = RayNodes(port, folder)
    with running_ray_head(tmp_path / "head.log", cpus=0, folder=folder, port=port) as (url, token):
        try:
            nodes.start("first")
            nodes.start("second")
            ours = {"SLIPSTREAM_HOME": str(tmp_path / "home"), "SLIPSTREAM_RAY_URL": url, "SLIPSTREAM_REGISTRY": "folder"}
            settings = Settings.from_env({**os.environ, **ours, "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1"})
            ledger, jobs = Ledger(settings.storage()), ray_jobs.open_jobs(settings)
            data = training_set(ledger, tmp_path / "in", table(30_000), table(200, seed=2))
            params = {**NETWORK, "epochs": 60, "checkpoint_every": EVERY}  # a minute on two quiet cores
            fit = "include.models.flight_delay.train:fit"
            request = train_request(ledger, data, fit, params=params, workers={"minimum": 1, "maximum": 2})
            attempt = ledger.open_attempt(request.key, 0)
            submit(jobs, job_of(attempt, ledger, ONE_EACH))

            job = Watched(jobs, attempt)
            job.until(lambda log: "worker 1 of 2" in log)
            store = Path(ledger.storage.root, attempt.checkpoints)
            job.until(lambda _: any(store.glob("step-*")))
            nodes.kill("first")
            nodes.start("third")
            job.until(lambda log: "workers were lost (first)" in log)
            job.until(lambda log: "workers came (third)" in log)
            nodes.drain("second", url)
            job.until(lambda log: "workers left, as their machine was to go (second)" in log)
            while not (status := jobs.status(attempt.job)).over:
                time.sleep(0.5)
            assert status is JobStatus.SUCCEEDED, job.log()
        finally:
            nodes.stop()
    result = ledger.result(request.key, 0)
    assert result is not None
    assert result.attempt == 1
    assert result.value["metrics"]["auc"] > 0.8
    lost, came, left = result.value["interruptions"]
    assert [(each["kind"], each["nodes"], each["workers"]) for each in (lost, came, left)] == [
        ("lost", ["first"], 1), ("grown", ["third"], 2), ("drained", ["second"], 1),
    ]  # fmt: skip
    assert lost["step"] % EVERY == 0
    assert came["redone"] == left["redone"] == 0
    assert result.value["seconds_lost"] == pytest.approx(sum(each["seconds"] for each in (lost, came, left)), abs=0.01)
