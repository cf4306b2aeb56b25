"""What crashed gateways and tasks left on this machine: scratch folders, and log segments that nobody ships.

A gateway's shared memory and sockets have no names, so the kernel frees them with its last process. Its scratch folders carry
the mark of their writer. A segment of the prediction log leaves the disk a day after it was shipped; where no agent of a gateway
runs any more the monitoring DAG ships it, and this does where that DAG does not run. Nothing is lost, so no alert is sent.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from include.core.housekeeping import housekeeping
from include.core.scratch import PREFIX, is_abandoned, sweep_scratch
from include.prediction_log.layout import models, segments
from include.prediction_log.shared import SharedLog
from include.prediction_log.shipping import ship_what_is_left
from include.reconcile.world import Finding, World

DAY_SECONDS = 86_400
LEFT_DAYS = 9.0  # since it was last written to: a weekly monitoring DAG comes first


def find(world: World) -> Iterator[Finding]:
    home = world.settings.home
    places = [folder for folder in (home / "scratch", Path(tempfile.gettempdir())) if folder.is_dir()]
    left = [path for folder in places for path in folder.glob(f"{PREFIX}*") if is_abandoned(path)]
    if left:
        summary = f"{len(left)} scratch folders of processes that are gone, such as {left[0]}"
        yield Finding("leftover.scratch", "leftover/scratch", "", summary, "removed", partial(_sweep, places))
    for model in models(home):
        old = [segment for segment in segments(home, model) if _age_days(segment) >= LEFT_DAYS]
        if old:
            summary = f"{len(old)} segments of the prediction log that nobody has taken off this disk, such as {old[0].name}"
            act = partial(_ship, world, old)
            yield Finding("leftover.log", f"leftover/log/{model}", model, summary, "shipped to the storage root", act)


def _sweep(places: list[Path]) -> bool:
    with housekeeping("scratch of processes that are gone"):
        sweep_scratch(*places)
    return True


def _ship(world: World, old: list[Path]) -> bool:
    with housekeeping("the prediction log of gateways that are gone"):
        ship_what_is_left(SharedLog(world.settings.home, world.ledger.storage), world.settings.environ)
    return not any(segment.exists() for segment in old)


def _age_days(segment: Path) -> float:
    try:
        return (time.time() - segment.stat().st_mtime) / DAY_SECONDS
    except FileNotFoundError:  # it went since it was listed
        return 0.0
