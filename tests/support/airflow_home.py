"""A platform's home whose databases are there: made once for all of a session's Airflows, and copied.

To make the databases takes a new Airflow longer than to start; each module that has an Airflow of its own would do it again.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

from include.local.down import down
from include.local.platform import Platform
from include.local.ports import DEFAULT_PORTS, free_ports
from include.local.up import up
from tests.support.airflow_template import TEMPLATE

READY = "template.ready"


def on_free_ports(home: Path) -> Platform:
    return Platform(home, ports=dict(zip(DEFAULT_PORTS, free_ports(len(DEFAULT_PORTS)), strict=True)))


def fill(home: Path) -> None:
    """Copy a migrated home into an empty folder. tests/conftest.py names the template, and removes it; where it does not, as in
    a benchmark, the folder stays empty."""
    if TEMPLATE not in os.environ:
        return
    template = Path(os.environ[TEMPLATE])
    with template.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (template / READY).exists():
            _make(template)
    # With its owners: root's PostgreSQL is another user's.
    subprocess.run(["cp", "-a", f"{template}/.", str(home)], check=True)
    (home / READY).unlink()


def _make(template: Path) -> None:
    platform = on_free_ports(template)
    try:
        up(platform, ("migrate",))
    finally:
        down(platform)
    (template / READY).touch()
