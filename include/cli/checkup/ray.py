"""Whether jobs on Ray could run: where their code comes from, what they could open there. Nothing is asked of the cluster."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from include.backends.ray.elsewhere import HERE, SEALED, Elsewhere, mode
from include.backends.ray.sealed import SHORTEST
from include.cli.checkup.finding import Finding, ok, problem, warning
from include.core.connection import from_env
from include.core.errors import SpecError, one_line
from include.core.settings import Settings

ABOUT = "jobs on ray"
CONNECTION = "slipstream_ray"  # its password is the cluster's token


def check_ray(settings: Settings) -> Iterator[Finding]:
    if settings.job_backend != "ray":
        return
    login = from_env(CONNECTION, settings.environ)
    token = login.password if login else ""
    try:
        if (code := mode(settings)) == HERE:
            yield from _here(settings)
            return
        Elsewhere.of(settings, token)
    except SpecError as error:
        yield problem(ABOUT, one_line(error.what), one_line(error.hint))
        return
    if settings.ray_logins == SEALED and len(token) < SHORTEST:
        yield warning(
            ABOUT,
            f"logins of jobs elsewhere are sealed under the cluster's token, and {CONNECTION} has none of {SHORTEST} characters.",
            f"make the token the password of {CONNECTION}, or set SLIPSTREAM_RAY_LOGINS=nodes.",
        )
        return
    yield ok(ABOUT, f"code: {code}; logins: {settings.ray_logins}.")


def _here(settings: Settings) -> Iterator[Finding]:
    host = urlsplit(settings.ray_url).hostname or ""
    if _is_here(host):
        yield ok(ABOUT, "they run from this machine's files.")
        return
    if settings.ray_code == HERE:  # somebody has said so
        yield ok(ABOUT, f"they run from this machine's files, which {host} has as well.")
        return
    yield warning(
        ABOUT,
        f"{settings.ray_url} is not this machine by its name, and jobs are told this machine's paths.",
        "set SLIPSTREAM_RAY_CODE=package (or image) where the cluster is elsewhere, SLIPSTREAM_RAY_CODE=here where it is not.",
    )


def _is_here(host: str) -> bool:
    if host in ("localhost", socket.gethostname(), socket.getfqdn()):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
