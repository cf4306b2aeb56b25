"""`make down`: stop every component and whatever its processes left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from include.local import orphans
from include.local.components import COMPONENTS
from include.local.platform import Platform
from include.local.supervisor import Supervisor


def down(platform: Platform, say: Callable[[str], None] = print) -> None:
    """Stop all. Nothing happens where nothing runs. The data stay."""
    supervisor = Supervisor(platform)
    needed = {need for each in COMPONENTS for need in each.needs}
    family = orphans.find(platform)  # before their parents are gone
    if supervisor.running():
        supervisor.stop([each.name for each in COMPONENTS if each.needs or each.name not in needed])
        supervisor.shutdown()  # databases last
        say(f"stopped the platform in {platform.home}")
    else:
        say(f"no platform runs in {platform.home}")
    left = [process for process in {*family, *orphans.find(platform)} if process.is_running()]
    if left:
        say(f"stopped {orphans.stop(left)} processes that outlived their component")
    platform.ports_file.unlink(missing_ok=True)
    shutil.rmtree(platform.run / "groups", ignore_errors=True)
    for folder in (platform.short_folder, platform.earlier_ray_folder):
        shutil.rmtree(folder, ignore_errors=True)
