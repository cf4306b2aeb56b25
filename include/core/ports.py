"""The ports a vendor plugs into. Each has one contract suite under tests/contract/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from include.core.adapters import adapter
from include.core.settings import Settings
from include.core.spec.resources import Resources


class JobStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    UNKNOWN = "UNKNOWN"  # the backend has no job of that name: never had, or forgot it

    @property
    def over(self) -> bool:
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED)


@dataclass(frozen=True)
class Job:
    """One of our modules to run somewhere, under a name we choose.

    It says what to run and never where things lie: the interpreter, the project's folder and the settings of the place are
    the backend's to say, which may run it on another machine.
    """

    name: str
    module: str
    """Run as `python -m module`."""
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables beside those that the backend gives every job. No path of this machine."""
    code: str = ""
    """Digest of the code that the job is to run, by which whoever looks at a job tells one working tree from another."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Shown with the job, and of no effect."""
    resources: Resources = field(default_factory=Resources)
    """What it needs at least: of its one process, or of each of its workers."""
    workers: int = 1
    """How many workers share its work, on a backend that has workers. With one, the job itself does the work."""
    seconds: float = 0.0
    """How long it may take, for a backend that can stop it by itself; 0: it may take as long as it takes."""


class JobBackend(Protocol):
    def submit(self, job: Job) -> None:
        """Start it. Does nothing if a job of that name exists, whatever its state.

        Raises UnreachableError, after which the job may or may not exist: submit again; SpecError where the backend has no
        machine such as the job needs, which it says what is missing of.
        """

    def status(self, name: str) -> JobStatus: ...

    def waits_for(self, name: str) -> str:
        """Of a pending job: what it waits for, in a line; empty where the backend has nothing to say, or it does not wait."""

    def under_way(self) -> list[str]:
        """Names of the jobs that are pending or running, sorted. Raises UnreachableError."""

    def logs(self, name: str, lines: int = 50) -> str:
        """The last lines it wrote, for the error a person reads."""

    def stop(self, name: str) -> None:
        """Ask it to end. Silent if it is over or unknown."""

    def url(self, name: str) -> str:
        """Where a person looks at it; empty if nowhere."""


Logins = Callable[[], Mapping[str, str]]
"""The connections that a job works with, by the variable that holds each. A backend elsewhere asks for them when it submits."""


def no_logins() -> Mapping[str, str]:
    """For whoever only looks at jobs."""
    return {}


class AwsAccess(Protocol):
    """The way to AWS's services: the login, the region and the addresses of one Airflow connection."""

    @property
    def region(self) -> str:
        """The region of its clients."""

    def client(self, service: str, within: float | None = None) -> Any:
        """A boto3 client of a service, such as `sagemaker`, that threads may share: one for each service, made when first asked
        for. Its credentials are renewed before they expire, where the connection assumes a role.

        `within`: one that gives up after so many seconds, for a connection and for an answer, and tries nothing twice.
        """


OpenAws = Callable[[], AwsAccess]
"""Opens AWS when a caller that was handed it first needs it."""


def open_aws(settings: Settings) -> AwsAccess:
    """AWS with the connection in the settings' environment, for a process without Airflow."""
    opener: Callable[[Settings], AwsAccess] = adapter("aws")
    return opener(settings)


def open_jobs(settings: Settings, backend: str = "", logins: Logins = no_logins, aws: OpenAws | None = None) -> JobBackend:
    """The job backend of that name, else the one that the settings name. `aws`: by default with the settings' own login."""
    opener: Callable[..., JobBackend] = adapter(f"jobs.{backend or settings.job_backend}")
    return opener(settings, logins=logins, aws=aws or partial(open_aws, settings))
