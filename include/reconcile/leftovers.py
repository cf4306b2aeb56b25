"""What crashed gateways and tasks left on this machine: scratch folders, and log segments that nobody rotates.

A gateway's shared memory and sockets have no names, so the kernel frees them with its last process. Its scratch folders carry
the mark of their writer. A segment of the prediction log without a writer is complete; the monitoring DAG rotates it, and this
does where that DAG does not run any more. Nothing is lost by either, so no alert is sent.
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
from include.prediction_log.rotation import DAY_SECONDS, KEEP_DAYS, rotate_days
from include.reconcile.world import Finding, World

EXTRA_DAYS = 2.0  # beyond the days that a segment is kept: the monitoring DAG comes first


def find(world: World) -> Iterator[Finding]:
    home = world.settings.home
    places = [folder for folder in (home / "scratch", Path(tempfile.gettempdir())) if folder.is_dir()]
    left = [path for folder in places for path in folder.glob(f"{PREFIX}*") if is_abandoned(path)]
    if left:
        summary = f"{len(left)} scratch folders of processes that are gone, such as {left[0]}"
        yield Finding("leftover.scratch", "leftover/scratch", "", summary, "removed", partial(_sweep, places))
    for model in models(home):
        old = [segment for segment in segments(home, model) if _age_days(segment) >= KEEP_DAYS + EXTRA_DAYS]
        if old:
            summary = f"{len(old)} segments of the prediction log that nobody has rotated, such as {old[0].name}"
            act = partial(_rotate, home, model)
            yield Finding("leftover.log", f"leftover/log/{model}", model, summary, "rotated to Parquet", act)


def _sweep(places: list[Path]) -> bool:
    with housekeeping("scratch of processes that are gone"):
        sweep_scratch(*places)
    return True


def _rotate(home: Path, model: str) -> bool:
    made: list[Path] = []
    with housekeeping(f"the prediction log of {model}"):
        made = rotate_days(home, model, KEEP_DAYS)
    return bool(made)


def _age_days(segment: Path) -> float:
    try:
        return (time.time() - segment.stat().st_mtime) / DAY_SECONDS
    except FileNotFoundError:  # rotated since it was listed
        return 0.0
