"""`make down`: stop every component and whatever its processes left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from include.local import strays
from include.local.platform import Platform
from include.local.supervisor import Supervisor


def down(platform: Platform, say: Callable[[str], None] = print) -> None:
    """Stop all. Nothing happens where nothing runs. The data stay."""
    supervisor = Supervisor(platform)
    family = strays.find(platform)  # before their parents are gone
    if supervisor.running():
        supervisor.shutdown()
        say(f"stopped the platform in {platform.home}")
    else:
        say(f"no platform runs in {platform.home}")
    left = [process for process in {*family, *strays.find(platform)} if process.is_running()]
    if left:
        say(f"stopped {strays.stop(left)} processes that outlived their component")
    shutil.rmtree(platform.run / "groups", ignore_errors=True)
    shutil.rmtree(platform.ray_folder, ignore_errors=True)
