"""A Ray cluster that is not this machine's: what a job's request holds for it. Never a path of this machine, never a login.

The code comes as a package, or is in the nodes' image and only its digests travel; logins come sealed, or are the nodes' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from include.backends.ray import package as packages
from include.backends.ray.arrive import BROUGHT, SCRIPT
from include.backends.ray.package import Package
from include.backends.ray.sealed import seal
from include.core import tls
from include.core.connection import parse
from include.core.environment import JOB_CODE, JOB_LOGINS, JOB_NAME, JOB_PROJECT, MODELS, connection
from include.core.environment_aws import AWS_CONN_ID
from include.core.errors import SpecError
from include.core.ports import Job, Logins, no_logins
from include.core.settings import Settings

HERE, PACKAGE, IMAGE = "here", "package", "image"
SEALED, NODES = "sealed", "nodes"
SECRET = ("secret", "password", "token", "key")  # in the name of a connection's extra


def mode(settings: Settings) -> str:
    """Where jobs find their code: `here`, `package` or `image`. Raises SpecError for settings that do not fit together."""
    chosen = settings.ray_code or (IMAGE if settings.ray_project else HERE)
    if chosen not in (HERE, PACKAGE, IMAGE):
        raise SpecError("SLIPSTREAM_RAY_CODE is unknown.", seen=chosen, hint=f"use {HERE}, {PACKAGE} or {IMAGE}.")
    if settings.ray_logins not in (SEALED, NODES):
        raise SpecError("SLIPSTREAM_RAY_LOGINS is unknown.", seen=settings.ray_logins, hint=f"use {SEALED} or {NODES}.")
    if (chosen == IMAGE) != bool(settings.ray_project):
        raise SpecError(
            "SLIPSTREAM_RAY_PROJECT says where the code is in the nodes' image, and goes with SLIPSTREAM_RAY_CODE=image.",
            seen={"SLIPSTREAM_RAY_CODE": chosen, "SLIPSTREAM_RAY_PROJECT": settings.ray_project},
            safe="no job was started.",
            hint=f"set SLIPSTREAM_RAY_CODE={PACKAGE} alone, or {IMAGE} with the folder.",
        )
    return chosen


@dataclass(frozen=True)
class Elsewhere:
    """`project`: where the code is in the nodes' image; empty: jobs bring it."""

    models: str
    project: str = ""
    authorities: str = ""
    token: str = field(default="", repr=False)
    logins: Logins = field(default=no_logins, repr=False)

    @classmethod
    def of(cls, settings: Settings, token: str, logins: Logins = no_logins) -> Elsewhere:
        """Raises SpecError where the cluster could not read the storage."""
        if Path(settings.root).is_relative_to(settings.home):
            raise SpecError(
                "A Ray cluster elsewhere cannot read the storage in this machine's home.",
                seen=settings.root,
                safe="no job was started.",
                hint="set SLIPSTREAM_ROOT to what both reach (s3://bucket/prefix, a shared folder), or no SLIPSTREAM_RAY_PROJECT "
                "and no SLIPSTREAM_RAY_CODE.",
            )
        models = (settings.ray_models or settings.models) if settings.ray_project else settings.models
        given = logins if settings.ray_logins == SEALED else no_logins
        return cls(models, settings.ray_project, tls.bundle(settings.environ), token, given)

    def package(self) -> Package:
        return packages.of_image(self.authorities) if self.project else packages.whole(self.models, self.authorities)

    def command(self, job: Job, package: Package) -> list[str]:
        """The job's own check comes first: include/backends/ray/arrive.py."""
        return ["python", SCRIPT, package.digest, self.project or BROUGHT, job.module, *job.arguments]

    def environment(self, job: Job, package: Package) -> dict[str, str]:
        """What the job and its workers find. Raises SpecError where logins cannot be sent unseen."""
        logins = self._logins()
        env = {
            JOB_NAME.name: job.name,
            JOB_CODE.name: package.digest,
            JOB_PROJECT.name: self.project,
            JOB_LOGINS.name: seal(logins, job.name, self.token) if logins else "",
            MODELS.name: self.models if self.project else packages.models_of_package(self.models),
            AWS_CONN_ID.name: AWS_CONN_ID.default if connection(AWS_CONN_ID.default).name in logins else "",
            "PYTHONPATH": self.project,  # Ray puts the folder of the package before it
        }
        return {name: value for name, value in env.items() if value}

    def _logins(self) -> Mapping[str, str]:
        """What is to be sealed. Without a token, connections that hold no secret stay here: the nodes' own settings do then."""
        logins = self.logins()
        _refuse_roles(logins.get(connection(AWS_CONN_ID.default).name, ""))
        return logins if self.token or any(map(_is_secret, logins.values())) else {}


def _refuse_roles(uri: str) -> None:
    """Of the storage's connection: the job takes on a role by itself, but not by what is on this machine alone."""
    extra = parse(uri).extra if uri else {}
    method = extra.get("assume_role_method", "assume_role")
    if extra.get("role_arn") and method != "assume_role":
        raise SpecError(
            "The storage's connection assumes a role in a way that a job on a Ray cluster elsewhere cannot.",
            seen={"role_arn": extra["role_arn"], "assume_role_method": method},
            safe="nothing was sent and no job was started.",
            hint="give the nodes that role, or a login of their own, and set SLIPSTREAM_RAY_LOGINS=nodes; or give the connection "
            "a login that reaches the bucket by itself.",
        )


def _is_secret(uri: str) -> bool:
    given = parse(uri)
    return bool(given.password) or any(word in name.lower() for name in given.extra for word in SECRET)
