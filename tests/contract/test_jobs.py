"""One suite for every job backend: local processes, and a real Ray head with token authentication."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.backends import process_jobs, ray_jobs
from include.core.errors import PermanentError, UnreachableError
from include.core.ports import Job, JobBackend, JobStatus
from include.core.settings import Settings

RAY = Path(sys.executable).with_name("ray")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> JobBackend:
    return process_jobs.open_jobs(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path_factory.mktemp("home"))}))


@pytest.fixture(scope="module")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(url, token) of a real head on free ports, in a process group of its own."""
    folder = Path("/tmp") / f"slip-ray-{uuid.uuid4().hex[:6]}"  # Ray's socket paths must be short
    folder.mkdir()
    token = secrets.token_hex(16)
    (folder / "token").write_text(token)
    port = free_port()
    env = {
        **os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip
    env.pop("RAY_ADDRESS", None)
    command = [
        str(RAY), "start", "--head", "--block", f"--port={free_port()}", "--node-ip-address=127.0.0.1",
        "--dashboard-host=127.0.0.1", f"--dashboard-port={port}", "--num-cpus=1", f"--temp-dir={folder}",
        "--include-dashboard=true", "--object-store-memory=100000000",
    ]  # fmt: skip
    log = tmp_path_factory.mktemp("ray") / "head.log"
    with log.open("wb") as output:
        head = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait_for_head(f"http://127.0.0.1:{port}", token, head, log)
        yield f"http://127.0.0.1:{port}", token
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        try:
            head.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)


def _wait_for_head(url: str, token: str, head: subprocess.Popen[bytes], log: Path) -> None:
    jobs = ray_jobs.RayJobs(url, token)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and head.poll() is None:
        try:
            jobs.status("nothing")
            return
        except (UnreachableError, PermanentError):
            time.sleep(0.3)
    pytest.fail(f"the Ray head did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def on_ray(ray_head: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> JobBackend:
    url, token = ray_head
    environ = {
        "SLIPSTREAM_HOME": str(tmp_path_factory.mktemp("home")),
        "SLIPSTREAM_RAY_URL": url,
        "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1",
    }
    return ray_jobs.open_jobs(Settings.from_env(environ))


@pytest.fixture(params=["process", pytest.param("on_ray", marks=pytest.mark.integration_ray)])
def jobs(request: pytest.FixtureRequest) -> JobBackend:
    backend: JobBackend = request.getfixturevalue(request.param)
    return backend


def python(code: str, **env: str) -> Job:
    return Job(f"slip-test-{uuid.uuid4().hex[:8]}", ("python", "-c", code), env, {"model": "m"})


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


def test_a_person_can_look_at_a_job(jobs: JobBackend) -> None:
    assert "slip-x" in jobs.url("slip-x")


@pytest.mark.integration_ray
def test_ray_refuses_a_wrong_token_with_the_name_of_the_connection(ray_head: tuple[str, str]) -> None:
    url, _ = ray_head
    for token in ("", "wrong"):
        with pytest.raises(PermanentError, match="slipstream_ray"):
            ray_jobs.RayJobs(url, token).status("x")
