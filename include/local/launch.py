"""`python -m include.local.launch NAME`: become a component. What the supervisor runs.

The environment is built here, at every start, so the supervisor's own files hold no secret.
"""

from __future__ import annotations

import os
import sys

from include.local import orphans, postgres
from include.local.components import component
from include.local.credentials import Credentials
from include.local.platform import Platform


def main(name: str) -> None:
    chosen = component(name)
    platform = Platform.from_env()
    credentials = Credentials.load(platform.home)
    orphans.replace(platform, name)
    chosen.prepare(platform, credentials)
    environment = chosen.environment(platform, credentials)
    command = chosen.command(platform)
    if chosen.name == "postgres":
        _drop_root()
    os.execve(command[0], command, environment)


def _drop_root() -> None:
    owner = postgres.user()
    if owner is not None:
        os.setgroups([])
        os.setgid(owner.pw_gid)
        os.setuid(owner.pw_uid)


if __name__ == "__main__":
    main(sys.argv[1])
