"""What a process was given of the platform's secrets, and who may read a file."""

from __future__ import annotations

import stat
from dataclasses import asdict
from pathlib import Path

from include.local.credentials import Credentials

HIDDEN = "gut-gehuetet"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def held(env: dict[str, str], credentials: Credentials) -> set[str]:
    return {name for name, secret in asdict(credentials).items() if any(secret in value for value in env.values())}
