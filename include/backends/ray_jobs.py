"""Jobs on a Ray cluster, through its REST API. Imports no Ray: Airflow's tasks and triggerer use this too."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Mapping
from typing import Any

import httpx

from include.backends.process_jobs import environment
from include.core import fault
from include.core.connection import from_env
from include.core.digest import PROJECT
from include.core.errors import JobFailedError, PermanentError, UnreachableError
from include.core.ports import Job, JobStatus
from include.core.settings import Settings

CONNECTION = "slipstream_ray"  # its password is the cluster's token
logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every poll would drown a task's log
TIMEOUT = 30.0  # seconds; the head starts an actor before it answers a submit


class RayJobs:
    """The port `JobBackend`. `url` is the head's dashboard address, which serves the Jobs API."""

    def __init__(self, url: str, token: str = "", env: Mapping[str, str] | None = None) -> None:
        self._url, self._env = url.rstrip("/"), dict(env or {})
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # The head is an address of ours: a proxy from the environment has no business in between.
        self._client = httpx.Client(base_url=self._url, headers=headers, timeout=TIMEOUT, trust_env=False)

    def submit(self, job: Job) -> None:
        """Start it under our name. Does nothing if a job of that name exists, whatever its state.

        Raises UnreachableError, after which the job may or may not exist: submit again.
        """
        if self.status(job.name) is not JobStatus.UNKNOWN:
            return
        fault.point("jobs.claimed")
        response = self._call("POST", "/api/jobs/", json=self._request(job))
        # Another submitter may have come first in between; Ray answers a taken name with a plain 500.
        if response.is_error and self.status(job.name) is JobStatus.UNKNOWN:
            raise JobFailedError(
                f"Ray at {self._url} refused job {job.name}: HTTP {response.status_code}.",
                seen=response.text.strip()[-500:],
                safe="no job was started.",
                hint="the task is retried; see the head's dashboard.log.",
            )

    def _request(self, job: Job) -> dict[str, Any]:
        program, *arguments = job.command
        program = sys.executable if program == "python" else program
        env = {**self._env, "PYTHONPATH": str(PROJECT), **job.env}
        return {
            "entrypoint": shlex.join([program, *arguments]),
            "submission_id": job.name,
            "runtime_env": {"env_vars": env},
            "metadata": dict(job.labels),
        }

    def status(self, name: str) -> JobStatus:
        response = self._call("GET", f"/api/jobs/{name}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return JobStatus.UNKNOWN
        return JobStatus(self._ok(response)["status"])

    def logs(self, name: str, lines: int = 50) -> str:
        """The last lines it wrote, and Ray's own message where it has one to add."""
        response = self._call("GET", f"/api/jobs/{name}/logs")
        text = str(response.json().get("logs") or "") if response.is_success else ""
        return "\n".join(text.rstrip().splitlines()[-lines:]) or self._message(name)

    def _message(self, name: str) -> str:
        response = self._call("GET", f"/api/jobs/{name}")
        return str(response.json().get("message") or "") if response.is_success else ""

    def stop(self, name: str) -> None:
        """Ask it to end. Silent if it is over or unknown."""
        response = self._call("POST", f"/api/jobs/{name}/stop")
        if response.status_code != httpx.codes.NOT_FOUND:
            self._ok(response)

    def url(self, name: str) -> str:
        """Its page in Ray's dashboard."""
        return f"{self._url}/#/jobs/{name}"

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise UnreachableError(
                f"Ray's Jobs API at {self._url} does not answer: {error}.",
                safe="a job that was submitted before keeps running.",
                hint="start the Ray head, or check SLIPSTREAM_RAY_URL; the task is retried.",
            ) from error
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise PermanentError(
                f"Ray at {self._url} refused our token: HTTP {response.status_code}.",
                safe="nothing was started.",
                hint=f"the cluster's token is the password of connection {CONNECTION!r} (AIRFLOW_CONN_{CONNECTION.upper()}).",
            )
        return response

    def _ok(self, response: httpx.Response) -> dict[str, Any]:
        if response.is_error:
            raise UnreachableError(
                f"Ray's Jobs API at {self._url} failed: HTTP {response.status_code}.",
                seen=response.text.strip()[-300:],
                safe="a job that was submitted before keeps running.",
                hint="see the head's dashboard.log; the task is retried.",
            )
        body: dict[str, Any] = response.json()
        return body


def open_jobs(settings: Settings, token: str = "") -> RayJobs:
    """The cluster at `settings.ray_url`; the token is given, or the password of connection `slipstream_ray`."""
    connection = from_env(CONNECTION, settings.environ)
    return RayJobs(settings.ray_url, token or (connection.password if connection else ""), environment(settings))
