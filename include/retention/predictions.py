"""The prediction log beyond its retention: only where a retention is set, and never what a step may still ask for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from include.core.control import ControlStore
from include.core.errors import SpecError
from include.core.spec import ModelSpec
from include.core.storage import Storage
from include.prediction_log.layout import DAY, parquet_files, segments
from include.prediction_log.pieces import ROOT, piece_at
from include.retention.finding import Finding, Kind
from include.rollout.history import live_rollout


def days_needed(spec: ModelSpec) -> int:
    """How far back the model's steps read the log: the windows of monitoring with those that are judged again, and the training
    window, of which the answers of versions that were rolled back may be left out."""
    watched = spec.monitoring.window_days * (spec.monitoring.label_wait + 2)
    return max(watched, spec.training.window_days + spec.training.holdout_days)


def find(
    home: Path, storage: Storage, spec: ModelSpec, control: ControlStore, keep_days: int, now: datetime
) -> Iterator[Finding]:
    """Files of days before the last `keep_days`, on this machine and in the storage root. Nothing while a rollout is live, which
    reads from its own beginning on.

    Raises SpecError for fewer days than the model's steps read.
    """
    needed = days_needed(spec)
    if keep_days < needed:
        raise SpecError(
            f"{keep_days} days of the prediction log are fewer than {spec.name} needs: its steps read {needed} days back.",
            seen=keep_days, safe="nothing was removed.",
            hint=f"keep {needed} days or more (SLIPSTREAM_KEEP_PREDICTIONS), or shorten the spec's windows.",
        )  # fmt: skip
    if live_rollout(control, spec.name) is None:
        before = now.date() - timedelta(days=keep_days)
        yield from _shipped(storage, spec.name, before)
        unrotated = {segment.stem for segment in segments(home, spec.name)}  # their Parquet files are written once more
        old = [path for path in parquet_files(home, spec.name) if _day(path) < before and path.stem not in unrotated]
        yield from map(_finding, old)


def _shipped(storage: Storage, model: str, before: date) -> Iterator[Finding]:
    """Of the root whole sources only, a segment of a gateway each: readers walk a source from its first byte, and a gateway ships
    what of a source is not there. One with bytes that are not compacted yet is under way."""
    folder, old, kept = f"{ROOT}/{model}", dict[str, dict[str, int]](), set[str]()
    chunks = f"{folder}/chunks/"
    for path, size in storage.sizes(folder):
        if path.startswith(chunks):  # whatever it is called
            kept.add(path.removeprefix(chunks).split("/")[0])
        elif piece := piece_at(model, path):
            old.setdefault(piece.source, {})[path] = size
            if piece.last_day >= str(before):
                kept.add(piece.source)
    for source, pieces in old.items():
        if source not in kept:
            act = partial(_remove, storage, tuple(pieces))
            yield Finding(Kind.PREDICTIONS, f"{folder}/{source}", "removed", sum(pieces.values()), len(pieces), True, act)


def _remove(storage: Storage, paths: tuple[str, ...]) -> bool:
    for path in sorted(paths, reverse=True):  # the last bytes first: what is left of a source begins at its beginning
        storage.delete(path)
    return True


def _day(path: Path) -> date:
    try:
        return date.fromisoformat(path.parent.name.removeprefix(DAY))
    except ValueError:
        return date.max


def _finding(path: Path) -> Finding:
    def act() -> bool:
        path.unlink(missing_ok=True)
        return True

    return Finding(Kind.PREDICTIONS, str(path), "removed", path.stat().st_size, 1, True, act)
