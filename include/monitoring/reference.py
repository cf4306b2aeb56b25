"""The champion's own past: its training set cut into windows as long as the one that is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.core.spec import Feature
from include.monitoring.profile import Axis, Profile, Summary, axes, profile
from include.monitoring.window import Window

TIME = "event_timestamp"
CLOCK = 0.98  # correlation with time above which a column tells the date and nothing else
THIN = 0.5  # a past window with fewer rows than this share of the median is no yardstick


@dataclass(frozen=True)
class Reference:
    """`past`: window name to profile, oldest first. `clocks`: columns that follow the calendar."""

    axes: tuple[Axis, ...]
    past: Mapping[str, Profile]
    clocks: tuple[str, ...]
    rows: int

    @classmethod
    def of(cls, training: pa.Table, features: Sequence[Feature], length: timedelta, end: datetime) -> Self:
        """Cut backwards from `end`, when the training set was made; a first piece that is not whole is left out."""
        found = axes(features, training)
        past = {window.name: profile(rows, found) for window, rows in _cut(training, length, end)}
        return cls(tuple(found), past, _clocks(training, found), training.num_rows)

    def column(self, name: str) -> list[Summary]:
        return [rows[name] for rows in self.past.values()]

    @property
    def usual_rows(self) -> float:
        """Median rows of a past window; 0 without any."""
        counts = [next(iter(rows.values())).count for rows in self.past.values() if rows]
        return float(np.median(counts)) if counts else 0.0


def _cut(training: pa.Table, length: timedelta, end: datetime) -> list[tuple[Window, pa.Table]]:
    if training.num_rows == 0:
        return []
    times = training[TIME].cast(pa.timestamp("us"))
    first, windows = pc.min(times).as_py(), []
    while end - length >= first - length * 0.1:  # a first window that lacks a few hours still counts
        windows.append(Window(end - length, end))
        end -= length
    pieces = [(window, training.filter(_inside(times, window))) for window in reversed(windows)]
    median = np.median([rows.num_rows for _, rows in pieces]) if pieces else 0
    return [(window, rows) for window, rows in pieces if rows.num_rows and rows.num_rows >= THIN * median]


def _inside(times: pa.ChunkedArray, window: Window) -> pa.ChunkedArray:
    start, end = pa.scalar(window.start, pa.timestamp("us")), pa.scalar(window.end, pa.timestamp("us"))
    return pc.and_(pc.greater_equal(times, start), pc.less(times, end))


def _clocks(training: pa.Table, axes: Sequence[Axis]) -> tuple[str, ...]:
    """Columns such as the day of the year: new in every window by construction, so they say nothing of drift."""
    if training.num_rows < 3:
        return ()
    time = training[TIME].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy().astype(np.float64)
    return tuple(axis.name for axis in axes if axis.dtype != "category" and _correlation(training[axis.name], time) >= CLOCK)


def _correlation(column: pa.ChunkedArray, time: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    values = column.cast(pa.float64()).to_numpy()
    known = np.isfinite(values)
    if known.sum() < 3 or values[known].std() == 0 or time[known].std() == 0:
        return 0.0
    return float(abs(np.corrcoef(values[known], time[known])[0, 1]))
