"""The champion's own past: daily profiles of its training set, put together into windows as long as the one judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Self

import numpy as np
import pyarrow as pa

from include.core.spec import Feature
from include.data.window import Window
from include.monitoring.profile.binning import Axis, axes, with_derived
from include.monitoring.profile.profiles import EVERYONE, Parts, Profile, profile_parts, window
from include.monitoring.profile.summary import Summary

TIME = "event_timestamp"
CLOCK = 0.98  # a column that is correlated with time above this tells the date and nothing else
THIN = 0.5  # a past window with fewer rows than this share of the median is no yardstick
WEEK = 7
PAST = 6  # fewer past windows tell little of what is usual


@dataclass(frozen=True)
class Reference:
    """`past`: window name to profile, oldest first. `clocks`: columns that follow the calendar.

    `importance`: share of the model's score that rests on a column; empty where no model was at hand.
    """

    axes: tuple[Axis, ...]
    past: Mapping[str, Profile]
    clocks: tuple[str, ...] = ()
    rows: int = 0
    importance: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, training: pa.Table, features: Sequence[Feature], length: timedelta, end: datetime) -> Self:
        """From the rows themselves: their daily profiles, cut backwards from `end`, when the training set was made."""
        found = axes(features, training)
        past = cut(profile_parts(training, found, TIME), length.days, end)
        return cls(tuple(found), past, clocks(training, found), training.num_rows)

    def column(self, name: str) -> list[Summary]:
        """Its summaries, oldest window first; windows that do not have it are left out."""
        return [rows[name] for rows in self.past.values() if name in rows]

    def only(self, *names: str) -> Reference:
        """The same past of some columns."""
        return replace(self, axes=tuple(axis for axis in self.axes if axis.name in names))

    @property
    def usual_rows(self) -> float:
        """Median rows of a past window; 0 without any."""
        counts = [next(iter(rows.values())).count for rows in self.past.values() if rows]
        return float(np.median(counts)) if counts else 0.0


def cut(parts: Parts, days: int, end: datetime, like: datetime | None = None, segment: str = EVERYONE) -> dict[str, Profile]:
    """Whole windows of `days` days before the day of `end`, oldest first; a first piece that is not whole is left out.

    Windows that are no whole weeks are compared with those that start on the weekday of `like`, where PAST of them are
    known: Mondays with Mondays.
    """
    known = sorted(day for day, held in parts if held == segment)
    if not known:
        return {}
    first = date.fromisoformat(known[0]) - timedelta(days=days // 10)  # a first window that lacks a day in ten still counts
    starts = _starts(first, end.date(), days, WEEK * -(-days // WEEK), like.date()) if like and days % WEEK else []
    if len(starts) < PAST:
        starts = _starts(first, end.date(), days, days, end.date())
    stops = [start + timedelta(days=days) for start in starts]
    return _sound(
        {
            _name(start, stop): window(parts, str(start), str(stop - timedelta(days=1)), segment)
            for start, stop in zip(starts, stops, strict=True)
        }
    )


def _starts(first: date, end: date, days: int, step: int, like: date) -> list[date]:
    """Starts of windows between `first` and `end`, `step` days apart, in step with `like`; oldest first."""
    start = end - timedelta(days=days)
    start -= timedelta(days=(start - like).days % step if step == days else (start - like).days % WEEK)
    starts = []
    while start >= first:
        starts.append(start)
        start -= timedelta(days=step)
    return starts[::-1]


def clocks(training: pa.Table, axes: Sequence[Axis]) -> tuple[str, ...]:
    """Columns such as the day of the year: new in every window by construction, so they say nothing of drift."""
    if training.num_rows < 3:
        return ()
    training = with_derived(training, axes)
    time = training[TIME].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy().astype(np.float64)
    return tuple(axis.name for axis in axes if axis.numeric and _correlation(training[axis.name], time) >= CLOCK)


def _sound(windows: Mapping[str, Profile]) -> dict[str, Profile]:
    """Without those that hold nothing, or far fewer rows than the others."""
    counts = {name: next(iter(rows.values())).count if rows else 0 for name, rows in windows.items()}
    median = np.median(list(counts.values())) if counts else 0
    return {name: rows for name, rows in windows.items() if counts[name] and counts[name] >= THIN * median}


def _name(start: date, stop: date) -> str:
    return Window(datetime.combine(start, datetime.min.time()), datetime.combine(stop, datetime.min.time())).name


def _correlation(column: pa.ChunkedArray, time: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    values = column.cast(pa.float64()).to_numpy()
    known = np.isfinite(values)
    if known.sum() < 3 or values[known].std() == 0 or time[known].std() == 0:
        return 0.0
    return float(abs(np.corrcoef(values[known], time[known])[0, 1]))
