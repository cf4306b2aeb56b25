"""DDP on two workers of a real Ray head elsewhere: it has neither this machine's code nor its home, nor a login.

The code comes as a package, the logins sealed, all state goes through a root on S3. One worker is killed on the way.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from include.backends.ray.jobs import RayJobs
from include.backends.ray.package import whole
from include.backends.s3.client import client_from_session
from include.core.connection import from_env
from include.core.digest import PROJECT
from include.core.environment import connection
from include.core.errors import JobFailedError
from include.core.ledger import Ledger
from include.core.places import activate
from include.core.ports import JobBackend, JobStatus
from include.core.request import Json, Request
from include.core.settings import Settings
from include.core.task import job_of
from include.services.services import Services
from include.training.spool import MetricSpool
from tests.support import ray_shows, training_example
from tests.support.ray_head import may_hide, running_ray_head
from tests.support.s3_server import CREDENTIALS, moto_server
from tests.support.training_example import FEATURES, NETWORK, table, training_set

RAY = Path(tempfile.gettempdir()) / f"ray-{os.getpid()}"  # Ray wants short paths
pytestmark = [pytest.mark.integration_ray, pytest.mark.slow]

FIT = "include.models.example.train:fit_killed"
SECRET, OF_MLFLOW = "gut-gehuetet-s3", "gut-gehuetet-mlflow"
MODEL = f"""
from __future__ import annotations

import json, os, signal
from pathlib import Path

{inspect.getsource(training_example.fit_killed)}
{inspect.getsource(training_example.build_mortal)}
{inspect.getsource(training_example._die_once)}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Of an installation whose Ray cluster has nothing of it: its root is a bucket, its model lies in a folder of its own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    place = folder / "shop" / "models"
    (place / "example").mkdir(parents=True)
    (place / "example" / "__init__.py").touch()
    (place / "example" / "train.py").write_text(MODEL)
    for name in ("nobody", "home"):
        (folder / name).mkdir()
    RAY.mkdir(mode=0o700)
    ours = [*(PROJECT / name for name in ("include", "operators", "tests")), folder / "shop", folder / "home"]
    head = running_ray_head(folder / "head.log", 2, node(folder / "nobody"), ours if may_hide() else (), RAY)
    with moto_server() as s3, head as (url, token):
        client_from_session(boto3.Session(**CREDENTIALS), s3).create_bucket(Bucket="slipstream")
        aws = {
            "conn_type": "aws",
            "login": "key-id",
            "password": SECRET,
            "extra": {"endpoint_url": s3, "region_name": "us-east-1"},
        }
        yield Settings.from_env(
            {
                "SLIPSTREAM_HOME": str(folder / "home"),
                "SLIPSTREAM_ROOT": "s3://slipstream/elsewhere",
                "SLIPSTREAM_MODELS": f"include.models:{place}",
                "SLIPSTREAM_RAY_URL": url,
                "SLIPSTREAM_RAY_CODE": "package",
                "SLIPSTREAM_REGISTRY": "mlflow",
                "SLIPSTREAM_MLFLOW_URL": "http://127.0.0.1:1",
                connection("slipstream_ray").name: f"http://:{token}@127.0.0.1",
                connection("slipstream_mlflow_jobs").name: f"http://jobs:{OF_MLFLOW}@127.0.0.1:1",
                connection("aws_default").name: json.dumps(aws),
            }
        )


def node(home: Path) -> dict[str, str]:
    """The environment of a machine that has the platform's libraries, and a home of its own."""
    return {
        "HOME": str(home), "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "AWS_EC2_METADATA_DISABLED": "true",
        **{name: os.environ[name] for name in ("LANG", "TMPDIR", "OMP_NUM_THREADS") if name in os.environ},
    }  # fmt: skip


@contextmanager
def models_of(settings: Settings) -> Iterator[None]:
    activate(settings.models)
    try:
        yield
    finally:
        activate("include.models")


def request_of(settings: Settings, ledger: Ledger, folder: Path, streamed: bool = False, **params: Json) -> Request:
    """A training of the installation's model on two workers, recorded."""
    data = training_set(ledger, folder / "in", table(), table(200, seed=2))
    training: dict[str, Json] = {"fit": FIT, "params": {**NETWORK, "mark": str(folder / "mark"), **params}, "workers": 2}
    training |= {"memory_rows": 0} if streamed else {}
    with models_of(settings):
        request = Request.of(
            "train", "include.training.train_step:run", "example", inputs={"training_set": ledger.ref(data)},
            params={"features": FEATURES, "training": training, "label": "late"}, uses=(FIT,),
        )  # fmt: skip
    ledger.record(request)
    return request


def wait(jobs: JobBackend, name: str) -> tuple[JobStatus, dict[str, str]]:
    """Until it is over: its status, and what the process list has shown by then."""
    deadline, seen = time.monotonic() + 240, {}
    while not (status := jobs.status(name)).over and time.monotonic() < deadline:
        seen |= ray_shows.by_processes(RAY)
        time.sleep(1)
    return status, seen


def test_two_workers_train_one_model_and_a_killed_worker_costs_no_attempt(settings: Settings, tmp_path: Path) -> None:
    ledger, jobs = Ledger(settings.storage()), Services(settings).jobs()
    request = request_of(settings, ledger, tmp_path, track_every=1)
    attempt = ledger.open_attempt(request.key, 0)
    jobs.submit(job_of(attempt, ledger))
    status, processes = wait(jobs, attempt.job)
    assert status is JobStatus.SUCCEEDED, jobs.logs(attempt.job)

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

    # Nothing that Ray or the process list shows has a login in it; the job had them, for nothing of the root opens without.
    token = from_env("slipstream_ray", settings.environ)
    assert token is not None
    api, logs = ray_shows.by_api(settings.ray_url, token.password, attempt.job), ray_shows.by_logs(RAY)
    assert api.keys() >= set(ray_shows.STATE)
    assert attempt.job in api["/api/jobs/"]
    assert any("SLIPSTREAM_JOB_LOGINS" in text for text in processes.values())
    assert any(attempt.job in text for text in logs.values())
    for shown in (api, logs, processes):
        assert ray_shows.where((SECRET, OF_MLFLOW, token.password), shown) == []
    if may_hide():
        assert list(settings.home.rglob("*")) == []


@pytest.mark.whole  # tests/unit/backends/lightning/test_fit.py and tests/unit/training/rows do it without Ray
def test_two_workers_read_their_shares_of_streamed_rows_from_the_root(settings: Settings, tmp_path: Path) -> None:
    ledger, jobs = Ledger(settings.storage()), Services(settings).jobs()
    request = request_of(settings, ledger, tmp_path, streamed=True, track_every=1)
    attempt = ledger.open_attempt(request.key, 0)
    jobs.submit(job_of(attempt, ledger))
    status, _ = wait(jobs, attempt.job)
    assert status is JobStatus.SUCCEEDED, jobs.logs(attempt.job)
    assert "resumed at step 10 of 48" in jobs.logs(attempt.job, 500)
    result = ledger.result(request.key, 0)
    assert result is not None
    assert result.value["metrics"]["auc"] > 0.7
    spooled = [row for _, batch in MetricSpool(ledger.storage, attempt.metrics).read() for row in batch]
    assert sorted(step for step, _, metrics in spooled if "step_loss" in metrics) == list(range(1, 49))
    assert not list(ledger.storage.list(f"{attempt.folder}/rows"))


@pytest.mark.whole  # tests/unit/core/test_task.py does it with a process
def test_a_job_runs_no_other_code_than_its_task_asked_for(settings: Settings, tmp_path: Path) -> None:
    ledger, jobs = Ledger(settings.storage()), Services(settings).jobs()
    request = request_of(settings, ledger, tmp_path, epochs=2)
    train = Path(settings.models.rpartition(":")[2]) / "example" / "train.py"
    train.write_text(f"{MODEL}\nEDITED = True\n")
    attempt = ledger.open_attempt(request.key, 0)
    jobs.submit(job_of(attempt, ledger))
    assert wait(jobs, attempt.job)[0] is JobStatus.FAILED
    error = ledger.error(attempt)
    assert isinstance(error, JobFailedError)
    assert "include.models.example.train" in str(error)
    assert ledger.result(request.key, 0) is None


@pytest.mark.whole  # tests/unit/backends/ray/test_arrive.py does it without Ray
def test_a_job_whose_package_was_replaced_runs_nothing(settings: Settings, tmp_path: Path) -> None:
    ledger, jobs = Ledger(settings.storage()), Services(settings).jobs()
    assert isinstance(jobs, RayJobs)
    (train,) = Path(settings.models.rpartition(":")[2]).glob("*/train.py")
    train.write_text(f"{MODEL}\nREPLACED = True\n")
    request = request_of(settings, ledger, tmp_path, epochs=1)
    package = whole(settings.models)
    other = io.BytesIO(package.zipped())
    with zipfile.ZipFile(other, "a") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr("include/core/task.py", "raise SystemExit('not what was submitted')")
    assert jobs._call("PUT", f"/api/packages/gcs/{package.name}", content=other.getvalue()).is_success
    attempt = ledger.open_attempt(request.key, 0)
    jobs.submit(job_of(attempt, ledger))
    assert wait(jobs, attempt.job)[0] is JobStatus.FAILED
    log = jobs.logs(attempt.job)
    assert "The code on this node is not the code that the job was submitted with: 1 files differ: include/core/task.py." in log
    assert "not what was submitted" not in log
