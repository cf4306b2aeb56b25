"""How late labels come, and which share of those that ever come has landed.

A label that is not there yet is no missing one: its delay is only known to be longer than its request's age. So the law of
the delay is Kaplan and Meier's (1958), and its plateau is the share of requests whose label ever comes: a cancelled flight
never lands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.monitoring.formatting import percent
from include.monitoring.profile.binning import Floats
from include.step_values.monitoring import LandingValue

HOUR = 3_600_000_000.0  # microseconds
STEPS = 30  # so many halvings find a moment within decades to the second


@dataclass(frozen=True)
class Delays:
    """`share` [k]: of all requests, those whose label came within `hours` [k], ascending. Empty where none has come."""

    hours: Floats
    share: Floats

    @classmethod
    def of(cls, tables: Sequence[pa.Table], as_of: datetime) -> Self:
        """From the requests of `tables` (`event_time`, `label_timestamp`) as they stand at `as_of`."""
        aged = [ages(table, as_of) for table in tables]
        age, delay = (np.concatenate(each) for each in zip(*aged, strict=True)) if aged else (np.empty(0), np.empty(0))
        came = np.isfinite(delay)
        seen = np.where(came, delay, age)
        order = np.argsort(seen, kind="stable")
        times, first, counts = np.unique(seen[order], return_index=True, return_counts=True)
        events = np.add.reduceat(came[order].astype(np.float64), first) if len(first) else np.empty(0)
        at_risk = len(seen) - np.cumsum(counts) + counts
        known = events > 0
        return cls(times[known], 1 - np.cumprod(1 - events / np.maximum(at_risk, 1))[known])

    @property
    def ever(self) -> float:
        return float(self.share[-1]) if len(self.share) else 0.0

    def within(self, hours: Floats) -> Floats:
        place = np.searchsorted(self.hours, hours, side="right")
        result: Floats = np.concatenate([[0.0], self.share])[place]
        return result

    def coming(self, age: Floats, hours: float = np.inf) -> float:
        """Of requests of these ages whose label has not come: how many come within further `hours`."""
        before = self.within(age)
        open_ = before < 1
        return float(((self.within(age[open_] + hours) - before[open_]) / (1 - before[open_])).sum())


@dataclass(frozen=True)
class LabelDelay:
    """Of a window's `rows` labels `landed`, and some `coming` still. `enough_by`: when the share is expected to suffice."""

    rows: int
    landed: int
    coming: float
    needed: float
    enough_by: str = ""

    @property
    def share(self) -> float:
        """Of the labels that ever come."""
        return self.landed / (self.landed + self.coming) if self.landed else 0.0

    @property
    def enough(self) -> bool:
        return self.share >= self.needed

    @property
    def summary(self) -> str:
        if not self.landed:
            return "No label has landed yet."
        until = f", expected by {self.enough_by}" if self.enough_by else ""
        return f"{percent(self.share)} of the labels that will come have landed; {percent(self.needed)} are needed{until}."

    def to_json(self) -> LandingValue:
        return {
            "rows": self.rows,
            "landed": self.landed,
            "coming": round(self.coming, 1),
            "share": round(self.share, 4),
            "enough": self.enough,
            "enough_by": self.enough_by,
        }


def landing(window: pa.Table, delays: Delays, as_of: datetime, needed: float) -> LabelDelay:
    """Of one window's requests as they stand at `as_of`."""
    age, delay = ages(window, as_of)
    landed, waiting = int(np.isfinite(delay).sum()), age[~np.isfinite(delay)]
    coming = delays.coming(waiting)
    found = LabelDelay(len(age), landed, coming, needed)
    if found.enough or not landed or not coming:
        return found
    wanted = needed * (landed + coming) - landed
    low, high = 0.0, float(delays.hours[-1])
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if delays.coming(waiting, middle) >= wanted else (middle, high)
    by = as_of + timedelta(hours=high)
    return LabelDelay(len(age), landed, coming, needed, by.isoformat(sep=" ", timespec="minutes"))


def ages(table: pa.Table, as_of: datetime) -> tuple[Floats, Floats]:
    """Hours [n] since each request, and hours until its label came; NaN where that was not before `as_of`."""
    now = float(np.datetime64(as_of, "us").astype(np.int64))
    event, label = (_microseconds(table[name]) for name in ("event_time", "label_timestamp"))
    label = np.where(label <= now, label, np.nan)
    return np.maximum(now - event, 0) / HOUR, np.maximum(label - event, 0) / HOUR


def _microseconds(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    values: Floats = column.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64(), safe=False).to_numpy()
    return values
