"""Machines on a real Ray head: what a fit asks for is reserved, what the cluster lacks is waited for with words, then refused."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.backends.ray.jobs import RayJobs, open_jobs
from include.core.errors import TimeLimitError
from include.core.ledger import Attempt, Ledger
from include.core.needs import Needs
from include.core.ports import JobStatus
from include.core.request import Request
from include.core.settings import Settings
from include.core.spec.resources import Resources
from include.core.task import job_of
from tests.support import ray_head
from tests.support.ray_head import running_ray_head
from tests.support.training_example import NETWORK, table, train_request, training_set

pytestmark = [pytest.mark.integration_ray, pytest.mark.slow]
FIT = "include.models.flight_delay.train:fit"
PARAMS = {**NETWORK, "batch_size": 64, "epochs": 1}


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, RayJobs]]:
    folder = tmp_path_factory.mktemp("resources")
    with running_ray_head(folder / "head.log", 2) as (url, token):
        environ = {
            **os.environ, "SLIPSTREAM_HOME": str(folder / "home"), "SLIPSTREAM_RAY_URL": url, "SLIPSTREAM_REGISTRY": "folder",
            "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1",
        }  # fmt: skip
        settings = Settings.from_env(environ)
        yield Ledger(settings.storage()), open_jobs(settings)


def submit(ledger: Ledger, jobs: RayJobs, request: Request, needs: Needs) -> Attempt:
    attempt = ledger.open_attempt(request.key, 0)
    ray_head.submit(jobs, job_of(attempt, ledger, needs))
    return attempt


def ended(jobs: RayJobs, name: str, within: float = 180) -> JobStatus:
    until = time.monotonic() + within
    while not (status := jobs.status(name)).over:
        assert time.monotonic() < until, jobs.logs(name)
        time.sleep(0.5)
    return status


@pytest.mark.whole  # tests/unit/backends/ray/test_scaling.py says what is asked of Ray
def test_workers_get_what_the_spec_asks_for_and_train(ray: tuple[Ledger, RayJobs], tmp_path: Path) -> None:
    ledger, jobs = ray
    data = training_set(ledger, tmp_path / "in", table(), table(200, seed=2))
    request = train_request(ledger, data, FIT, params=PARAMS, workers=2, precision="bf16")
    needs = Needs(Resources(cpus=1, memory_gb=0.5, nodes=1), 2, 600.0, time.time() + 600)
    attempt = submit(ledger, jobs, request, needs)
    assert ended(jobs, attempt.job) is JobStatus.SUCCEEDED, jobs.logs(attempt.job)
    result = ledger.result(request.key, 0)
    assert result is not None
    assert result.value["metrics"]["auc"] > 0.6


def test_more_gpus_than_the_cluster_has_are_waited_for_and_then_named(ray: tuple[Ledger, RayJobs], tmp_path: Path) -> None:
    ledger, jobs = ray
    data = training_set(ledger, tmp_path / "in", table(seed=3), table(200, seed=4))
    request = train_request(ledger, data, FIT, params=PARAMS, workers=2)
    needs = Needs(Resources(gpus=1, accelerator="A100"), 2, 30.0, time.time() + 30)
    attempt = submit(ledger, jobs, request, needs)
    assert ended(jobs, attempt.job) is JobStatus.FAILED
    error = ledger.error(attempt)
    assert isinstance(error, TimeLimitError)
    assert "asked for 2 x [0.5 CPU, 1 GPU, A100], pack; the cluster has 2 CPU" in error.what


def test_a_job_whose_entry_point_waits_says_for_what_and_once_late_computes_nothing(
    ray: tuple[Ledger, RayJobs], tmp_path: Path
) -> None:
    ledger, jobs = ray
    data = training_set(ledger, tmp_path / "in", table(seed=5), table(200, seed=6))
    request = train_request(ledger, data, FIT, params=PARAMS)
    attempt = submit(ledger, jobs, request, Needs(Resources(gpus=1), 1, 60.0, time.time() + 60))
    until, said = time.monotonic() + 60, ""
    while "the cluster has" not in said and time.monotonic() < until:  # Ray's report of the cluster comes with a delay
        time.sleep(0.5)
        said = jobs.waits_for(attempt.job)
    assert said.startswith("asked for 0 CPU, 1 GPU; the cluster has 2 CPU")
    assert jobs.status(attempt.job) is JobStatus.PENDING
    jobs.stop(attempt.job)

    late = train_request(ledger, data, FIT, params=PARAMS, seed=8)
    second = submit(ledger, jobs, late, Needs(Resources(cpus=1), 1, 1.0, time.time()))
    assert ended(jobs, second.job) is JobStatus.FAILED
    assert isinstance(ledger.error(second), TimeLimitError)
