"""The prediction log beyond its retention: only where a retention is set, and never what a step may still ask for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from include.core.control import ControlStore
from include.core.errors import SpecError
from include.core.spec import ModelSpec
from include.prediction_log.layout import DAY, parquet_files, segments
from include.retention.finding import Finding, Kind
from include.rollout.history import live_rollout


def days_needed(spec: ModelSpec) -> int:
    """How far back the model's steps read the log: the windows of monitoring with those that are judged again, and the training
    window, of which the answers of versions that were rolled back may be left out."""
    watched = spec.monitoring.window_days * (spec.monitoring.label_wait + 2)
    return max(watched, spec.training.window_days + spec.training.holdout_days)


def find(home: Path, spec: ModelSpec, control: ControlStore, keep_days: int, now: datetime) -> Iterator[Finding]:
    """Files of days before the last `keep_days`. Nothing while a rollout is live, which reads from its own beginning on.

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
        unrotated = {segment.stem for segment in segments(home, spec.name)}  # their Parquet files are written once more
        old = [path for path in parquet_files(home, spec.name) if _day(path) < before and path.stem not in unrotated]
        yield from map(_finding, old)


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
