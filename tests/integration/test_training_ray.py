"""DDP on two workers of a real Ray head, submitted through the Jobs API; one worker is killed on the way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from include.backends.ray.jobs import RayJobs, open_jobs
from include.core.ledger import Attempt, Ledger
from include.core.ports import JobStatus
from include.core.settings import Settings
from include.core.task import job_of
from include.training.spool import MetricSpool
from tests.support.ray_head import running_ray_head
from tests.support.training_example import HERE, NETWORK, table, train_request, training_set

pytestmark = [pytest.mark.integration_ray, pytest.mark.slow]


def wait(jobs: RayJobs, name: str) -> JobStatus:
    deadline = time.monotonic() + 240
    while not (status := jobs.status(name)).over and time.monotonic() < deadline:
        time.sleep(0.3)
    return status


def test_two_workers_train_one_model_and_a_killed_worker_costs_no_attempt(tmp_path: Path) -> None:
    with running_ray_head(tmp_path / "head.log", cpus=2) as (url, token):
        environ = {
            **os.environ,
            "SLIPSTREAM_HOME": str(tmp_path / "home"),
            "SLIPSTREAM_RAY_URL": url,
            "SLIPSTREAM_REGISTRY": "folder",
            "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1",
        }
        settings = Settings.from_env(environ)
        ledger, jobs = Ledger(settings.storage()), open_jobs(settings)
        data = training_set(ledger, tmp_path / "in", table(), table(200, seed=2))
        params = {**NETWORK, "track_every": 1, "mark": str(tmp_path / "mark")}
        request = train_request(ledger, data, f"{HERE}:fit_killed", params=params, workers=2)
        attempt: Attempt = ledger.open_attempt(request.key, 0)
        jobs.submit(job_of(attempt, ledger))
        assert wait(jobs, attempt.job) is JobStatus.SUCCEEDED, jobs.logs(attempt.job)

        log = jobs.logs(attempt.job, 500)
        assert "world_size=2" in log
        assert "resumed at step 10 of 48" in log
        result = ledger.result(request.key, 0)
        assert result is not None
        assert result.attempt == 1
        assert result.value["metrics"]["auc"] > 0.7
        assert [row["step"] for row in result.value["history"]] == [16, 32, 48]
        # The workers' metrics are in the spool once each, the steps that were done again among them.
        spooled = [row for _, batch in MetricSpool(ledger.storage, attempt.metrics).read() for row in batch]
        assert sorted(step for step, _, metrics in spooled if "step_loss" in metrics) == list(range(1, 49))
        assert [step for step, _, metrics in spooled if "validation_loss" in metrics] == [16, 32, 48]
