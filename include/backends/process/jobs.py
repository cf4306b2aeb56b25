"""Jobs as local processes, detached from whoever submits them. For tests, and machines without Ray.

<home>/jobs/<name>/   made by mkdir, which one of many submitters wins
    pid               process group and its start time, so that a reused number is not mistaken for it
    log               what it wrote
    exit              its exit status; "stopped" when it was asked to end
    kills             how many processes the kernel had killed for want of memory before it, and the file that counts them
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from include.backends.job_environment import environment
from include.backends.process.log_tail import of_file
from include.core import cgroup, fault, secret_store
from include.core.address import without_login
from include.core.digest import PROJECT
from include.core.environment import MODELS, RAY_ADDRESS, STORES, connection
from include.core.environment_aws import AWS_CONN_ID
from include.core.hardware import require_hardware
from include.core.memory_limit import KILLED
from include.core.places import search_path
from include.core.ports import Job, JobStatus, Logins, OpenAws, no_logins
from include.core.scratch import as_full, storage_full
from include.core.settings import Settings

# The shell outlives its submitter, and writes the exit status by rename: never half of it.
_WRAPPER = """
echo "$$ $(cut -d' ' -f22 /proc/$$/stat)" > pid.new && mv pid.new pid
{command} >> log 2>&1
echo $? > exit.new && mv exit.new exit
"""
LOGIN = "AIRFLOW_CONN_SLIPSTREAM_MLFLOW"
JOBS_LOGIN = "AIRFLOW_CONN_SLIPSTREAM_MLFLOW_JOBS"  # of an account that can log runs and do nothing else: becomes the job's LOGIN
# Airflow's own secrets, and the registry's login, which MLflow's client wants in the environment of whoever registers.
NOT_HANDED_ON = ("AIRFLOW__", "AIRFLOW_VAR_", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
ROOM = 256 << 10  # bytes for a job's log and status
ENDED = {"0": JobStatus.SUCCEEDED, "stopped": JobStatus.STOPPED}  # what a job's exit file says; any other text is a failure
SIGKILLED = "137"  # what a shell says of a child that got signal 9
_STARTING = 10.0  # seconds a submitter may take between making the folder and the job's first breath


class ProcessJobs:
    def __init__(self, folder: Path, environ: dict[str, str], logins: Logins = no_logins) -> None:
        self._folder, self._environ, self._logins = folder, environ, logins

    def submit(self, job: Job) -> None:
        """Start it in a session of its own. Does nothing if a job of that name exists, whatever its state.

        Raises SpecError where this machine has not what the job needs.
        """
        folder = self._folder / job.name
        self._make_room()
        if not folder.exists():
            require_hardware(job.resources, "a job of the backend `process`")
        try:
            folder.mkdir()
        except FileExistsError:
            return
        fault.point("jobs.claimed")
        self._note_kills(folder)
        program = shlex.join([sys.executable, "-m", job.module, *job.arguments])
        command = f"cd {shlex.quote(str(PROJECT))} && exec {program}"
        subprocess.Popen(
            ["/bin/sh", "-c", _WRAPPER.format(command=f"( {command} )")],
            cwd=folder,
            env=self._env(job),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _note_kills(self, folder: Path) -> None:
        """How often the kernel had killed for want of memory where the job starts: a kill of its own is one more."""
        if (kills := cgroup.oom_kills()) is not None:
            (folder / "kills").write_text(f"{kills.count} {kills.file}")

    def _make_room(self) -> None:
        """Raises StorageFullError before the name is taken: a job that cannot write its status would look lost."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if (full := as_full(error, self._folder)) is not None:
                raise full from error
            raise
        if shutil.disk_usage(self._folder).free < ROOM:
            raise storage_full(self._folder, ROOM)

    def _env(self, job: Job) -> dict[str, str]:
        """What the submitter has, but for Airflow's own secrets, the stores' passwords and connections that no job uses."""
        env = {name: value for name, value in {**os.environ, **self._environ}.items() if _may_have(name, self._environ)}
        env = {name: without_login(value) if name.startswith("SLIPSTREAM_") else value for name, value in env.items()}
        if own := env.pop(JOBS_LOGIN, ""):
            env[LOGIN] = own
        if stored := self._logins():
            env |= stored
            if connection(AWS_CONN_ID.default).name in stored:
                env[AWS_CONN_ID.name] = AWS_CONN_ID.default
        path = os.pathsep.join((str(PROJECT), *search_path(MODELS.read(env | dict(job.env)))))
        env |= {"PYTHONPATH": path, **{name: value for name, value in job.env.items() if name not in STORES}}
        env.pop(RAY_ADDRESS.name, None)  # a process is no Ray job: it trains by itself
        return env

    def status(self, name: str) -> JobStatus:
        """What the files say; a process that vanished without an exit status has FAILED."""
        folder = self._folder / name
        if not folder.is_dir():
            return JobStatus.UNKNOWN
        pid = _read(folder / "pid")  # once: a job that starts in between must not look like one that died
        alive = _is_alive(pid)  # asked before the exit file: a job that ends in between has written it
        ended = _read(folder / "exit")
        if ended:
            return ENDED.get(ended, JobStatus.FAILED)
        if alive:
            return JobStatus.RUNNING
        return JobStatus.FAILED if pid or _age(folder) > _STARTING else JobStatus.PENDING

    def waits_for(self, name: str) -> str:
        """Nothing: what this machine has a process gets, or it is refused."""
        del name
        return ""

    def under_way(self) -> list[str]:
        """Names of the jobs that are pending or running, sorted. What is over is known by its file alone."""
        open_ones = (folder.name for folder in self._folder.glob("*") if not (folder / "exit").exists())
        return sorted(name for name in open_ones if self.status(name) in (JobStatus.PENDING, JobStatus.RUNNING))

    def logs(self, name: str, lines: int = 50) -> str:
        """The last lines it wrote, and below them whether the kernel killed it for want of memory."""
        folder = self._folder / name
        killed = [KILLED] if _read(folder / "exit") == SIGKILLED and _oom_killed(folder) else []
        return "\n".join(filter(None, [of_file(folder / "log", lines - len(killed)), *killed]))

    def stop(self, name: str) -> None:
        """Kill its process group. Silent if it is over or unknown."""
        folder = self._folder / name
        if folder.is_dir() and not (folder / "exit").exists() and _is_alive(_read(folder / "pid")):
            stopped = folder / f"stopped.{os.getpid()}"
            stopped.write_text("stopped")
            os.replace(stopped, folder / "exit")  # before the kill: the shell dies with its group and writes nothing
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(_read(folder / "pid").split()[0]), signal.SIGKILL)

    def url(self, name: str) -> str:
        """Its log file."""
        return (self._folder / name / "log").as_uri()


def _oom_killed(folder: Path) -> bool:
    count, _, file = _read(folder / "kills").partition(" ")
    return bool(file) and cgroup.OomKills(Path(file), int(count)).since() > 0


def _is_alive(text: str) -> bool:
    """Whether the process that a pid file names still runs."""
    pid, _, started = text.partition(" ")
    return bool(pid) and started == _start_time(pid)


def _start_time(pid: str) -> str:
    """Clock ticks since boot at which a process began; empty if there is none, or it is a zombie."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _age(folder: Path) -> float:
    return time.time() - folder.stat().st_mtime


def _may_have(name: str, environ: Mapping[str, str]) -> bool:
    if name in STORES or name.startswith(NOT_HANDED_ON):
        return False
    storage = connection(AWS_CONN_ID.read(environ)).name
    return not name.startswith("AIRFLOW_CONN_") or name in (LOGIN, JOBS_LOGIN, storage)


def open_jobs(settings: Settings, logins: Logins = no_logins, aws: OpenAws | None = None) -> ProcessJobs:
    """The jobs under `settings.home`. They have the submitter's environment, and so its logins; `logins` as well where those come
    from a secrets backend, which jobs do not ask."""
    del aws
    given = {name: value for name, value in settings.environ.items() if name.startswith(("SLIPSTREAM_", "AIRFLOW_CONN_"))}
    stored = logins if secret_store.opened(settings.environ) is not None else no_logins
    return ProcessJobs(settings.home / "jobs", {**given, **environment(settings)}, stored)
