"""Jobs on a Ray cluster, through its REST API. Imports no Ray: Airflow's tasks and triggerer use this too."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from include.backends.job_environment import environment
from include.backends.process.log_tail import last_bytes, last_lines, of_json_field
from include.backends.ray import waiting
from include.backends.ray.scaling import entry_point
from include.core import fault, tls
from include.core.address import without_login
from include.core.connection import from_env
from include.core.digest import PROJECT
from include.core.environment import MODELS, STORES
from include.core.errors import JobFailedError, PermanentError, UnreachableError
from include.core.places import search_path
from include.core.ports import Job, JobStatus, Logins, OpenAws, no_logins
from include.core.settings import Settings

if TYPE_CHECKING:
    from include.backends.ray.elsewhere import Elsewhere
    from include.backends.ray.package import Package

CONNECTION = "slipstream_ray"  # its password is the cluster's token
logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every poll would drown a task's log
CHUNK = 64 << 10  # bytes read at once of a log
TIMEOUT = 30.0  # seconds; the head starts an actor before it answers a submit
UPLOAD = 300.0  # seconds for a package of code
# A Python that is forked warm where the node has a fork server, and else starts as ever.
WARM = (sys.executable, "-S", "-E", "-P", str(PROJECT / "include" / "backends" / "ray" / "fork_client.py"))


class RayJobs:
    """The port `JobBackend`. `url` is the head's dashboard address, which serves the Jobs API.

    `elsewhere`: of a cluster that is not this machine's. Without it jobs run as this process does, from the same files.
    """

    def __init__(
        self, url: str, token: str = "", env: Mapping[str, str] | None = None, elsewhere: Elsewhere | None = None
    ) -> None:
        self._url, self._env, self._elsewhere = without_login(url.rstrip("/")), dict(env or {}), elsewhere
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # The head is an address of ours: a proxy from the environment has no business in between.
        secure = tls.context() if self._url.startswith("https:") else False
        self._client = httpx.Client(base_url=self._url, headers=headers, timeout=TIMEOUT, trust_env=False, verify=secure)

    def submit(self, job: Job) -> None:
        """Start it under our name. Does nothing if a job of that name exists, whatever its state.

        Raises UnreachableError, after which the job may or may not exist: submit again.
        """
        if self.status(job.name) is not JobStatus.UNKNOWN:
            return
        package = self._elsewhere.package() if self._elsewhere else None
        request = self._request(job, package)
        if package is not None:
            self._bring(package)
        fault.point("jobs.claimed")
        response = self._call("POST", "/api/jobs/", json=request)
        # Another submitter may have come first in between; Ray answers a taken name with a plain 500.
        if response.is_error and self.status(job.name) is JobStatus.UNKNOWN:
            raise JobFailedError(
                f"Ray at {self._url} refused job {job.name}: HTTP {response.status_code}.",
                seen=response.text.strip()[-500:],
                safe="no job was started.",
                hint="the task is retried; see the head's dashboard.log.",
            )

    def _request(self, job: Job, package: Package | None = None) -> dict[str, Any]:
        where = self._elsewhere
        if where is None:
            path = os.pathsep.join((str(PROJECT), *search_path(MODELS.read(self._env))))
            command, more = [*WARM, "-m", job.module, *job.arguments], {"PYTHONPATH": path}
            folder = {"py_executable": shlex.join(WARM)}  # for its supervisor, and for what the job starts on the cluster
        else:
            package = package or where.package()
            command, more = where.command(job, package), where.environment(job, package)
            folder = {"working_dir": package.uri}
        env = {**self._env, **more, **job.env}
        # Ray keeps a job's environment and shows it to whoever may look at its dashboard: a password would stay there for good.
        env = {name: without_login(value) for name, value in env.items() if name not in STORES}
        return {
            "entrypoint": shlex.join(command),
            "submission_id": job.name,
            "runtime_env": {"env_vars": env, **folder},
            "metadata": {**job.labels, **({"code": job.code} if job.code else {}), **waiting.asked(job)},
            **entry_point(job),
        }

    def _bring(self, package: Package) -> None:
        """Have the head hold the package of the job's code. It is named by its digest, and stored whole or not at all.

        Ray removes a package that no job uses, and a head that starts anew has none: so it is asked for each time, and the
        question keeps it for ten minutes.
        """
        where = f"/api/packages/gcs/{package.name}"
        if self._call("GET", where).is_success:
            return
        response = self._call("PUT", where, content=package.zipped(), timeout=UPLOAD)
        if response.is_error:
            raise JobFailedError(
                f"Ray at {self._url} did not take the package of the job's code: HTTP {response.status_code}.",
                seen=response.text.strip()[-500:],
                safe="no job was started.",
                hint="the task is retried; see the head's dashboard.log.",
            )

    def status(self, name: str) -> JobStatus:
        """Raises UnreachableError for an answer that is not Ray's, PermanentError for a status that we do not know."""
        response = self._call("GET", f"/api/jobs/{name}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return JobStatus.UNKNOWN
        answered = self._ok(response).get("status")
        try:
            return JobStatus(str(answered))
        except ValueError as error:
            raise PermanentError(
                f"Ray at {self._url} says of job {name} what this version does not know.",
                seen=answered,
                safe="the job goes on; nothing was submitted.",
                hint=f"known: {', '.join(JobStatus)}; use the Ray of requirements.txt, then clear the task.",
            ) from error

    def waits_for(self, name: str) -> str:
        """What a pending job has asked for, what the cluster has and what of it is free."""
        response = self._call("GET", f"/api/jobs/{name}")
        job = {} if response.status_code == httpx.codes.NOT_FOUND else self._ok(response)
        if job.get("status") != JobStatus.PENDING:
            return ""
        seen = self._call("GET", "/api/cluster_status")
        return waiting.words(job, self._ok(seen) if seen.is_success else {})

    def under_way(self) -> list[str]:
        """Names of the jobs that are pending or running, sorted; those that others submitted among them."""
        listed = self._body(self._call("GET", "/api/jobs/"))
        if not isinstance(listed, list) or not all(isinstance(job, dict) for job in listed):
            raise self._no_jobs_api(str(listed))
        running = (JobStatus.PENDING, JobStatus.RUNNING)
        return sorted(str(job["submission_id"]) for job in listed if job.get("submission_id") and job.get("status") in running)

    def logs(self, name: str, lines: int = 50) -> str:
        """The last lines it wrote, or Ray's own message where it wrote none.

        Ray's log service is asked for the last lines. Where it has none, the Jobs API's answer, which is the whole log, is
        read through without being kept. Raises UnreachableError.
        """
        return self._last_lines(name, lines) or last_lines(self._whole_log(name), lines) or self._message(name)

    def _last_lines(self, name: str, lines: int) -> str:
        where = f"/api/v0/logs/file?submission_id={name}&lines={lines}&timeout={TIMEOUT:.0f}"
        with self._stream(where) as response:
            if response.is_error or not response.headers.get("content-type", "").startswith("text/plain"):
                return ""
            data, _ = last_bytes(self._within(response, name))
        return last_lines(data.decode(errors="replace"), lines)

    def _whole_log(self, name: str) -> str:
        with self._stream(f"/api/jobs/{name}/logs") as response:
            if response.is_error:
                return ""
            try:
                return of_json_field(self._within(response, name), "logs")
            except ValueError:  # no answer of Ray's: a log that cannot be read is no reason to fail
                return ""

    def _within(self, response: httpx.Response, name: str) -> Iterator[bytes]:
        """The answer's bytes; a server that trickles for longer than a plain request may take is not waited for."""
        until = time.monotonic() + TIMEOUT
        for chunk in response.iter_bytes(CHUNK):
            yield chunk
            if time.monotonic() > until:
                raise UnreachableError(
                    f"The log of job {name} did not come from {self._url} within {TIMEOUT:g} s.",
                    safe="the job is not touched.",
                    hint=f"read it in Ray's dashboard: {self.url(name)}",
                )

    @contextmanager
    def _stream(self, path: str) -> Iterator[httpx.Response]:
        try:
            with self._client.stream("GET", path) as response:
                yield response
        except httpx.TransportError as error:
            raise self._away(error) from error

    def _message(self, name: str) -> str:
        response = self._call("GET", f"/api/jobs/{name}")
        return str(self._ok(response).get("message") or "") if response.is_success else ""

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
            raise self._away(error) from error
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise PermanentError(
                f"Ray at {self._url} refused our token: HTTP {response.status_code}.",
                safe="nothing was started.",
                hint=f"the cluster's token is the password of connection {CONNECTION!r} (AIRFLOW_CONN_{CONNECTION.upper()}).",
            )
        return response

    def _ok(self, response: httpx.Response) -> dict[str, Any]:
        body = self._body(response)
        if not isinstance(body, dict):
            raise self._no_jobs_api(response.text)
        return body

    def _body(self, response: httpx.Response) -> Any:
        """Its JSON. Raises UnreachableError for anything else."""
        if response.is_error:
            raise UnreachableError(
                f"Ray's Jobs API at {self._url} failed: HTTP {response.status_code}.",
                seen=response.text.strip()[-300:],
                safe="a job that was submitted before keeps running.",
                hint="see the head's dashboard.log; the task is retried.",
            )
        try:
            return response.json()
        except ValueError:
            raise self._no_jobs_api(response.text) from None

    def _no_jobs_api(self, text: str) -> UnreachableError:
        return UnreachableError(
            f"What answers at {self._url} is not Ray's Jobs API: no JSON object.",
            seen=text.strip()[:200],
            safe="a job that was submitted before keeps running.",
            hint="check SLIPSTREAM_RAY_URL, and what stands between (a log-in page, a proxy); the task is retried.",
        )

    def _away(self, error: httpx.TransportError) -> UnreachableError:
        return UnreachableError(
            f"Ray's Jobs API at {self._url} does not answer: {error}.",
            safe="a job that was submitted before keeps running.",
            hint="start the Ray head, or check SLIPSTREAM_RAY_URL; the task is retried.",
        )


def open_jobs(settings: Settings, token: str = "", logins: Logins = no_logins, aws: OpenAws | None = None) -> RayJobs:
    """The cluster at `settings.ray_url`; the token is given, or the password of connection `slipstream_ray`.

    `logins`: what jobs of a cluster elsewhere are to be given. Raises SpecError where such a cluster could not run them.
    """
    del aws
    connection = from_env(CONNECTION, settings.environ)
    token = token or (connection.password if connection else "")
    if not settings.ray_project and not settings.ray_code:
        return RayJobs(settings.ray_url, token, environment(settings))
    from include.backends.ray.elsewhere import HERE, Elsewhere, mode

    if mode(settings) == HERE:
        return RayJobs(settings.ray_url, token, environment(settings))
    # Scratch and logs of a node lie where the node's own environment says; the rest is in the package.
    env = environment(settings, without=("home", "models", "authorities"))
    return RayJobs(settings.ray_url, token, env, Elsewhere.of(settings, token, logins))
