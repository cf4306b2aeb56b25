"""One suite for every job backend: local processes, a real Ray head with token authentication, SageMaker's fake."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from include.backends.process import jobs as process_jobs
from include.backends.ray import jobs as ray_jobs
from include.core.digest import PROJECT
from include.core.errors import PermanentError, SpecError, UnreachableError
from include.core.ledger import Ledger
from include.core.ports import Job, JobBackend, JobStatus
from include.core.request import Request
from include.core.settings import Settings
from include.core.task import job_of
from include.services.services import Services
from tests.support.aws.sagemaker import aws as aws
from tests.support.aws.sagemaker import on_sagemaker as on_sagemaker
from tests.support.ray_head import running_ray_head


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> JobBackend:
    return process_jobs.open_jobs(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path_factory.mktemp("home"))}))


@pytest.fixture(scope="module")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # jobs elsewhere run its `python`
    with running_ray_head(tmp_path_factory.mktemp("ray") / "head.log", environ=environ) as (url, token):
        yield url, token


@pytest.fixture(scope="module")
def on_ray(ray_head: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> JobBackend:
    url, token = ray_head
    environ = {
        "SLIPSTREAM_HOME": str(tmp_path_factory.mktemp("home")),
        "SLIPSTREAM_RAY_URL": url,
        "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1",
    }
    return ray_jobs.open_jobs(Settings.from_env(environ))


@pytest.fixture(
    params=[
        "process",
        pytest.param("on_ray", marks=pytest.mark.integration_ray),
        pytest.param("on_sagemaker", marks=pytest.mark.lives),
    ]
)
def jobs(request: pytest.FixtureRequest) -> JobBackend:
    backend: JobBackend = request.getfixturevalue(request.param)
    return backend


def python(code: str, **env: str) -> Job:
    return Job(f"slip-test-{uuid.uuid4().hex[:8]}", "tests.contract.job_body", (code,), env, labels={"model": "m"})


def wait(jobs: JobBackend, name: str, until: set[JobStatus] | None = None) -> JobStatus:
    deadline = time.monotonic() + 45
    while time.monotonic() < deadline:
        status = jobs.status(name)
        if (status in until) if until else status.over:
            return status
        time.sleep(0.05)
    raise AssertionError(f"{name} is still {status}: {jobs.logs(name)}")


def test_a_job_never_submitted_is_unknown(jobs: JobBackend) -> None:
    assert jobs.status("slip-nobody") is JobStatus.UNKNOWN
    assert jobs.logs("slip-nobody") == ""
    jobs.stop("slip-nobody")


def test_a_job_runs_once_however_often_it_is_submitted(jobs: JobBackend, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    job = python(f"open({str(mark)!r}, 'a').write('x')")
    jobs.submit(job)
    jobs.submit(job)
    assert wait(jobs, job.name) is JobStatus.SUCCEEDED
    jobs.submit(job)  # over, and still a no-op
    assert wait(jobs, job.name) is JobStatus.SUCCEEDED
    assert mark.read_text() == "x"


def test_a_job_that_dies_has_failed_and_its_last_lines_say_why(jobs: JobBackend) -> None:
    job = python("print('first'); raise SystemExit('the disk is on fire')")
    jobs.submit(job)
    assert wait(jobs, job.name) is JobStatus.FAILED
    assert "the disk is on fire" in jobs.logs(job.name)
    assert jobs.logs(job.name, lines=1).count("\n") == 0


def test_a_job_sees_the_project_its_environment_and_the_settings(jobs: JobBackend) -> None:
    code = (
        "import os, include.core.task; from include.core.settings import Settings;"
        "print('seen', os.environ['COLOUR'], Settings.from_env().home)"
    )
    job = python(code, COLOUR="teal")
    jobs.submit(job)
    assert wait(jobs, job.name) is JobStatus.SUCCEEDED, jobs.logs(job.name)
    assert "seen teal /" in jobs.logs(job.name)
    assert "home" in jobs.logs(job.name)


def test_a_stopped_job_is_stopped_and_its_name_stays_taken(jobs: JobBackend) -> None:
    job = python("import time; time.sleep(300)")
    jobs.submit(job)
    wait(jobs, job.name, {JobStatus.RUNNING})
    jobs.stop(job.name)
    assert wait(jobs, job.name) is JobStatus.STOPPED
    jobs.submit(job)
    assert jobs.status(job.name) is JobStatus.STOPPED
    jobs.stop(job.name)


def test_the_jobs_under_way_are_listed_until_they_are_over(jobs: JobBackend) -> None:
    job, over = python("import time; time.sleep(300)"), python("pass")
    for each in (job, over):
        jobs.submit(each)
    wait(jobs, over.name)
    wait(jobs, job.name, {JobStatus.RUNNING})
    assert job.name in jobs.under_way()
    assert over.name not in jobs.under_way()
    jobs.stop(job.name)
    wait(jobs, job.name)
    assert job.name not in jobs.under_way()


def test_a_person_can_look_at_a_job(jobs: JobBackend) -> None:
    assert "slip-x" in jobs.url("slip-x")


def test_a_job_names_no_place_of_this_machine(tmp_path: Path) -> None:
    """Whoever runs it knows where its own interpreter, project and folders are."""
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})
    ledger = Ledger(settings.storage())
    request = Request("train", "include.training.train_step:run", "m", {}, code="c0de")
    ledger.record(request)
    job = job_of(ledger.open_attempt(request.key, 0), ledger)
    said = [job.name, job.module, *job.arguments, *job.env.values(), *job.labels.values()]
    assert [each for each in said if "/" in each and Path(each).is_absolute()] == []
    assert sys.executable not in repr(job)
    assert str(PROJECT) not in repr(job) + repr(job.env)
    assert (job.module, job.code) == ("include.core.task", "c0de")


def test_a_ray_cluster_of_this_machine_runs_what_this_process_runs(tmp_path: Path) -> None:
    body = ray_jobs.open_jobs(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}))._request(python("pass"))
    client = shlex.join(ray_jobs.WARM)  # a Python that is forked warm where there is a fork server, and so are its workers
    assert body["entrypoint"].startswith(f"{client} -m tests.contract.job_body")
    assert body["runtime_env"]["py_executable"] == client
    assert ray_jobs.WARM[0] == sys.executable
    assert body["runtime_env"]["env_vars"]["PYTHONPATH"] == str(PROJECT)


def test_a_ray_cluster_elsewhere_runs_its_own_python_in_its_own_project(tmp_path: Path) -> None:
    environ = {"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_ROOT": "s3://bucket/store", "SLIPSTREAM_RAY_PROJECT": "/opt/project"}
    body = ray_jobs.open_jobs(Settings.from_env(environ))._request(python("pass"))
    env = body["runtime_env"]["env_vars"]
    assert re.match(r"python slipstream_job.py [0-9a-f]{64} /opt/project tests.contract.job_body ", body["entrypoint"])
    assert (env["PYTHONPATH"], env["SLIPSTREAM_ROOT"]) == ("/opt/project", "s3://bucket/store")
    assert "SLIPSTREAM_HOME" not in env
    assert "py_executable" not in body["runtime_env"]  # nothing runs there before the code was compared
    assert str(tmp_path) not in str(body)
    assert str(PROJECT) not in str(body)


def test_a_job_is_told_the_places_of_models_and_finds_packages_that_are_not_the_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_models").mkdir()
    (tmp_path / "shop_models" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    environ = {"SLIPSTREAM_HOME": str(tmp_path / "home"), "SLIPSTREAM_MODELS": "shop_models:/srv/shop/models"}
    settings = Settings.from_env(environ)
    of_ray = ray_jobs.open_jobs(settings)._request(python("pass"))["runtime_env"]["env_vars"]
    for env in (of_ray, process_jobs.open_jobs(settings)._env(python("pass"))):
        assert (env["PYTHONPATH"], env["SLIPSTREAM_MODELS"]) == (f"{PROJECT}:{tmp_path}", "shop_models:/srv/shop/models")


def test_a_ray_cluster_elsewhere_has_places_of_its_own(tmp_path: Path) -> None:
    elsewhere = {"SLIPSTREAM_ROOT": "s3://bucket/store", "SLIPSTREAM_RAY_PROJECT": "/opt/project"}
    environ = {"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_MODELS": "/srv/shop/models", **elsewhere}
    for more, expected in (({}, "/srv/shop/models"), ({"SLIPSTREAM_RAY_MODELS": "/opt/shop"}, "/opt/shop")):
        env = ray_jobs.open_jobs(Settings.from_env({**environ, **more}))._request(python("pass"))["runtime_env"]["env_vars"]
        assert (env["PYTHONPATH"], env["SLIPSTREAM_MODELS"]) == ("/opt/project", expected)


def test_a_ray_cluster_elsewhere_is_not_sent_to_a_storage_in_this_machines_home(tmp_path: Path) -> None:
    environ = {"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_RAY_PROJECT": "/opt/project"}
    with pytest.raises(SpecError, match="SLIPSTREAM_ROOT"):
        ray_jobs.open_jobs(Settings.from_env(environ))


@pytest.mark.integration_ray
def test_ray_refuses_a_wrong_token_with_the_name_of_the_connection(ray_head: tuple[str, str]) -> None:
    url, _ = ray_head
    for token in ("", "wrong"):
        with pytest.raises(PermanentError, match="slipstream_ray"):
            ray_jobs.RayJobs(url, token).status("x")


def test_an_unreachable_head_names_its_address_and_the_setting() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=f"(?s){url}.*SLIPSTREAM_RAY_URL"):
            ray_jobs.RayJobs(url).submit(python("pass"))


@pytest.mark.integration_ray
def test_rays_own_list_of_jobs_shows_no_password(ray_head: tuple[str, str], tmp_path: Path) -> None:
    url, token = ray_head
    environ = {
        "SLIPSTREAM_HOME": str(tmp_path),
        "SLIPSTREAM_RAY_URL": url,
        "SLIPSTREAM_CONTROL_URL": "postgresql://u:kept-quiet@db:5432/x",
        "SLIPSTREAM_ONLINE_URL": "redis://:kept-quiet@cache:6379/0",
        "SLIPSTREAM_MLFLOW_URL": "http://admin:kept-quiet@127.0.0.1:1",
        "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1",
        "AIRFLOW_CONN_SLIPSTREAM_MLFLOW": "http://admin:kept-quiet@127.0.0.1:1",
    }
    jobs = ray_jobs.open_jobs(Settings.from_env(environ))
    job = python("import os; print('seen', sorted(n for n, v in os.environ.items() if 'kept-' + 'quiet' in v))")
    jobs.submit(job)
    assert wait(jobs, job.name) is JobStatus.SUCCEEDED, jobs.logs(job.name)
    assert "seen []" in jobs.logs(job.name)
    listed = httpx.get(f"{url}/api/jobs/", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30)
    assert job.name in listed.text
    assert "kept-quiet" not in listed.text
    assert token not in listed.text


@pytest.mark.integration_ray
def test_a_job_in_a_nodes_image_finds_its_code_compared_and_its_logins_opened(ray_head: tuple[str, str], tmp_path: Path) -> None:
    url, token = ray_head
    image = tmp_path / "image"
    shutil.copytree(PROJECT / "include", image / "include", ignore=shutil.ignore_patterns("__pycache__"))
    (image / "tests" / "contract").mkdir(parents=True)
    shutil.copy(PROJECT / "tests/contract/job_body.py", image / "tests/contract/job_body.py")
    environ = {
        "SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_RAY_URL": url, "SLIPSTREAM_ROOT": "s3://bucket",
        "SLIPSTREAM_RAY_PROJECT": str(image), "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1",
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://id:kept-quiet@",
    }  # fmt: skip
    jobs = Services(Settings.from_env(environ)).jobs()
    code = (
        "import os, include; from include.backends.ray.on_node import environment; "
        "aws = environment()['AIRFLOW_CONN_AWS_DEFAULT']; "
        "print(include.__file__, aws.replace('kept', 'opened'), aws in str(os.environ))"
    )
    first, second = python(code), python(code)
    jobs.submit(first)
    assert wait(jobs, first.name) is JobStatus.SUCCEEDED, jobs.logs(first.name)
    assert f"{image}/include/__init__.py aws://id:opened-quiet@ False" in jobs.logs(first.name)
    (image / "include" / "core" / "task.py").write_text("another release")
    jobs.submit(second)
    assert wait(jobs, second.name) is JobStatus.FAILED
    said = jobs.logs(second.name)
    assert "include/core/task.py" in said
    assert f"Seen: {image}" in said
    assert "opened-quiet" not in said


def test_no_secret_travels_with_a_job(tmp_path: Path) -> None:
    environ = {"SLIPSTREAM_HOME": str(tmp_path), "AIRFLOW_CONN_SLIPSTREAM_RAY": "http://:hush@127.0.0.1"}
    body = ray_jobs.open_jobs(Settings.from_env(environ))._request(python("pass", COLOUR="teal"))
    assert "hush" not in str(body)
    assert body["runtime_env"]["env_vars"]["COLOUR"] == "teal"
    assert body["runtime_env"]["env_vars"]["SLIPSTREAM_HOME"] == str(tmp_path)


# -- processes: what only files can tell -------------------------------------------------------------------


def group(process: JobBackend, name: str) -> int:
    return int((process._folder / name / "pid").read_text().split()[0])  # type: ignore[attr-defined]


def test_a_process_killed_without_a_trace_has_failed(process: JobBackend) -> None:
    job = python("import time; time.sleep(300)")
    process.submit(job)
    wait(process, job.name, {JobStatus.RUNNING})
    os.killpg(group(process, job.name), signal.SIGKILL)
    assert wait(process, job.name) is JobStatus.FAILED


def test_a_process_outlives_its_submitter_and_another_reads_its_state(tmp_path: Path) -> None:
    where = {**os.environ, "SLIPSTREAM_HOME": str(tmp_path), "PYTHONPATH": "."}
    code = (
        "import os, signal; from include.backends.process.jobs import open_jobs; from include.core.ports import Job;"
        "from include.core.settings import Settings;"
        "job = Job('slip-long', 'tests.contract.job_body', ('import time; time.sleep(1.5); print(\"done\")',));"
        "open_jobs(Settings.from_env()).submit(job);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=where, check=False).returncode == -signal.SIGKILL
    jobs = process_jobs.open_jobs(Settings.from_env(where))
    assert not jobs.status("slip-long").over
    assert wait(jobs, "slip-long") is JobStatus.SUCCEEDED
    assert jobs.logs("slip-long") == "done"


def test_a_submitter_that_died_before_the_start_leaves_a_failed_job(tmp_path: Path) -> None:
    jobs = process_jobs.open_jobs(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}))
    folder = tmp_path / "jobs" / "slip-half"
    folder.mkdir(parents=True)
    assert jobs.status("slip-half") is JobStatus.PENDING
    os.utime(folder, (0, 0))
    assert jobs.status("slip-half") is JobStatus.FAILED


def test_a_reused_process_number_is_not_taken_for_the_job(tmp_path: Path) -> None:
    jobs = process_jobs.open_jobs(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}))
    folder = tmp_path / "jobs" / "slip-old"
    folder.mkdir(parents=True)
    (folder / "pid").write_text(f"{os.getpid()} 12345")  # alive, but born at another time
    assert jobs.status("slip-old") is JobStatus.FAILED
    jobs.stop("slip-old")  # and is not killed for it
