"""Has the data moved beyond what this model's own past windows do of themselves?

Each past window is judged as if it were new, against the others (leave one out): its score is the
largest distance of any column. The new window's score is held against that distribution, so the chance
of a false alarm is of the whole check, however many columns there are, and the season's ordinary coming
and going sets the scale (docs/monitoring/method.md, "The drift test"). Significance (`critical`) and effect (`MOVED`,
`EXCESS`: what is too small to matter however sure) are kept apart; both must speak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import numpy as np
from scipy.special import chdtri, ndtr, ndtri, stdtr, stdtrit

from include.monitoring.drift.distance import ASSUMED_MEAN, ASSUMED_PSI, Distance, Floor, Windows, distance, left_out
from include.monitoring.drift.divergences import Floats
from include.monitoring.drift.moved import moved
from include.monitoring.formatting import listed, percent
from include.monitoring.profile.binning import Axis
from include.monitoring.profile.profiles import Profile
from include.monitoring.reference import PAST, Reference
from include.monitoring.stored import rounded
from include.step_values.monitoring import ColumnDriftValue, DriftValue, Verdict

# The nominal chance of a false alarm of the whole check; benchmarks/drift measures the real one. Where single windows are odd (a
# strike, a burst) the logarithm's tail is longer than normal: at .03 the new one alarmed nearly whenever it was the oddest.
ALPHA = 0.02
VALUES = 30  # a column with fewer present values is not judged
MOVED = 0.1  # a mean that moved less, in standard deviations of a row, does not matter
EXCESS = 0.1  # a smaller PSI does not matter: this is the common reading of "some change"
NAMED = 3  # the summary names so many columns


@dataclass(frozen=True)
class ColumnDrift:
    """`importance`: share of the model's score that rests on the column. `weight`: its part in what has drifted."""

    name: str
    drifted: bool
    distance: Distance
    summary: str
    importance: float | None = None
    weight: float = 0.0

    def to_json(self) -> ColumnDriftValue:
        numbers: dict[str, Any] = {name: round(value, 6) for name, value in asdict(self.distance).items()}
        value: dict[str, Any] = {
            "name": self.name,
            "drifted": self.drifted,
            "words": self.summary,
            "score": round(self.distance.score, 4),
            "importance": rounded(self.importance),
            "weight": round(self.weight, 4),
            **numbers,
        }
        return cast("ColumnDriftValue", value)


@dataclass(frozen=True)
class DriftVerdict:
    """`statistic` and `critical` are multiples of a column's usual spread; `columns` the farthest first."""

    verdict: Verdict
    summary: str
    statistic: float | None = None
    critical: float | None = None
    p_value: float | None = None
    past_windows: int = 0
    columns: tuple[ColumnDrift, ...] = ()
    not_judged: dict[str, str] = field(default_factory=dict)

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        return tuple(column for column in self.columns if column.drifted)

    def to_json(self) -> DriftValue:
        return {
            "verdict": self.verdict,
            "words": self.summary,
            "statistic": rounded(self.statistic),
            "critical": rounded(self.critical),
            "p_value": rounded(self.p_value),
            "past_windows": self.past_windows,
            "columns": [column.to_json() for column in self.columns],
            "not_judged": dict(self.not_judged),
        }


def judge(window: Profile, rows: int, reference: Reference, *, minimum_rows: int, set_aside: dict[str, str]) -> DriftVerdict:
    """The verdict on one window. `set_aside`: columns that data quality already speaks of, with the reason."""
    if rows < minimum_rows:
        return DriftVerdict("abstain", f"{rows} rows are too few to judge drift; {minimum_rows} are needed.")
    if not reference.past:
        return DriftVerdict("abstain", "The champion's training set holds no whole window of this length to compare with.")
    apart = {**dict.fromkeys(reference.clocks, "follows the calendar: new in every window"), **set_aside}
    columns = []
    for axis in reference.axes:
        if axis.name not in apart and axis.column not in apart:
            column = _Column.of(axis, window, reference)
            if isinstance(column, str):
                apart[axis.name] = column
            else:
                columns.append(column)
    if not columns:
        return DriftVerdict("abstain", "No column can be judged.", past_windows=len(reference.past), not_judged=apart)
    many = len(reference.past) >= PAST
    found = _calibrated(columns) if many else _assumed(columns)
    return _verdict(found, reference, apart, "" if many else _caution(len(reference.past)))


@dataclass(frozen=True)
class _Column:
    """A column's new window and its past ones. `kept`: which of the past windows have enough values."""

    axis: Axis
    here: Windows
    past: Windows
    kept: tuple[int, ...]

    @classmethod
    def of(cls, axis: Axis, window: Profile, reference: Reference) -> _Column | str:
        """The column, or the reason why it is not judged."""
        history = [rows.get(axis.name) for rows in reference.past.values()]
        known = [(index, summary) for index, summary in enumerate(history) if summary and summary.present >= VALUES]
        if axis.name not in window or window[axis.name].present < VALUES:
            return "too few values in this window"
        if len(known) < min(PAST, len(reference.past)):
            return "too few values in the past windows"
        past = Windows.of([summary for _, summary in known])
        groups = past.groups()
        past, here = past.lumped(groups), Windows.of([window[axis.name]]).lumped(groups)[0]
        if here.variance == 0 and here.bins.max(initial=0) == here.n:
            return "one value only in this window"
        if (past.bins.sum(axis=0) > 0).sum() < 2 and past.variance.max() == 0:
            return "never varied in the training set"
        return cls(axis, here, past, tuple(index for index, _ in known))

    def now(self, floor: Floor) -> Distance:
        return distance(self.here, self.past, self.axis.numeric, floor)


@dataclass(frozen=True)
class _Found:
    """The distances of a window's columns, and the alarm that they are held against."""

    axes: tuple[Axis, ...]
    here: tuple[Windows, ...]
    distances: tuple[Distance, ...]
    critical: float
    p_value: float

    @property
    def statistic(self) -> float:
        return max(d.score for d in self.distances)


def _calibrated(columns: Sequence[_Column]) -> _Found:
    """The alarm from what past windows score against each other."""
    floor, scores = Floor(), dict[int, float]()
    for column in columns:
        for index, score in zip(column.kept, left_out(column.past, column.axis.numeric, floor), strict=True):
            scores[index] = max(float(score), scores.get(index, 0.0))
    distances = [column.now(floor) for column in columns]
    p_value, critical = _tail(np.array(list(scores.values())), max(d.score for d in distances))
    return _found(columns, distances, critical, p_value)


def _assumed(columns: Sequence[_Column]) -> _Found:
    """Too few past windows to learn from: sampling theory for one shift and one shape a column (Bonferroni), over an
    assumed coming and going of ASSUMED_MEAN and ASSUMED_PSI. Cautious: `make bench AREA=drift` shows what it misses."""
    floor, tests = Floor(ASSUMED_MEAN, ASSUMED_PSI), 2 * len(columns)
    critical = float(-ndtri(ALPHA / tests / 2))
    distances = []
    for column in columns:
        d, freedom = column.now(floor), max(column.past.bins.shape[-1] - 1, 1)
        skewed = (float(chdtri(freedom, ALPHA / tests)) - freedom) / (2 * freedom) ** 0.5  # a chi-square has a longer tail
        distances.append(replace(d, shape=d.shape * critical / skewed))
    statistic = max(d.score for d in distances)
    return _found(columns, distances, critical, min(1.0, float(2 * tests * ndtr(-statistic))))


def _found(columns: Sequence[_Column], distances: Sequence[Distance], critical: float, p_value: float) -> _Found:
    axes, here = (column.axis for column in columns), (column.here for column in columns)
    return _Found(tuple(axes), tuple(here), tuple(distances), critical, p_value)


def _tail(past: Floats, score: float) -> tuple[float, float]:
    """Chance of a score as large, and the score of chance ALPHA: a t prediction bound for its logarithm.

    A rank among a dozen windows cannot speak below 1/13; the logarithm of a maximum is close to normal.
    """
    logs = np.log(np.maximum(past, 1e-3))
    count, center = len(logs), float(logs.mean())
    spread = max(float(logs.std(ddof=1)), 0.05) * (1 + 1 / count) ** 0.5
    p_value = float(stdtr(count - 1, -(np.log(max(score, 1e-3)) - center) / spread))
    return p_value, float(np.exp(center + spread * stdtrit(count - 1, 1 - ALPHA)))


def _verdict(found: _Found, reference: Reference, apart: dict[str, str], caution: str) -> DriftVerdict:
    judged = [
        ColumnDrift(axis.name, _alarms(d, found.critical), d, moved(axis, d, here), reference.importance.get(axis.column))
        for axis, d, here in zip(found.axes, found.distances, found.here, strict=True)
    ]
    judged = sorted(_weighed(judged), key=lambda column: (-column.distance.score, column.name))
    drifted = sorted((column for column in judged if column.drifted), key=lambda column: (-column.weight, column.name))
    return DriftVerdict(
        verdict="drift" if drifted else "none",
        summary=_summary(drifted, found, judged[0].name) + caution,
        statistic=found.statistic,
        critical=found.critical,
        p_value=found.p_value,
        past_windows=len(reference.past),
        columns=tuple(judged),
        not_judged=apart,
    )


def _alarms(d: Distance, critical: float) -> bool:
    return d.score > critical and (abs(d.moved) >= MOVED or d.excess >= EXCESS)


def _weighed(columns: Sequence[ColumnDrift]) -> list[ColumnDrift]:
    """Who is to blame: the drifted columns' distances, each times what the model's score rests on it; they add up to 1."""
    known = any(column.importance is not None for column in columns)
    parts = [(c.importance or 0.0 if known else 1.0) * c.distance.score if c.drifted else 0.0 for c in columns]
    if known and not sum(parts):
        parts = [c.distance.score if c.drifted else 0.0 for c in columns]  # where no score rests on them, distance alone counts
    total = sum(parts) or 1.0
    return [replace(column, weight=part / total) for column, part in zip(columns, parts, strict=True)]


def _summary(drifted: Sequence[ColumnDrift], found: _Found, farthest: str) -> str:
    if not drifted:
        at = f"the farthest column, {farthest}, is at {found.statistic:.1f} times its usual spread"
        beyond = found.statistic > found.critical
        tail = "surely, but too little to matter" if beyond else f"{found.critical:.1f} would be an alarm"
        return f"No drift: {at}; {tail}."
    count = len(drifted) - NAMED
    more = f"; and {count} more column{'s' if count > 1 else ''}" if count > 0 else ""
    named = "; ".join(column.summary for column in drifted[:NAMED]) + more
    shares = [column.importance for column in drifted if column.importance is not None]
    rests = f" {_rest(drifted)} {percent(sum(shares))} of the model's score." if shares else ""
    return f"{named} (an alarm from {found.critical:.1f} times on).{rests}"


def _rest(drifted: Sequence[ColumnDrift]) -> str:
    names = [column.name for column in drifted[:NAMED]]
    if len(drifted) > NAMED:
        return f"These {len(drifted)} columns carry"
    return f"{listed(names)} carr{'ies' if len(names) == 1 else 'y'}"


def _caution(windows: int) -> str:
    plural = "window is" if windows == 1 else "windows are"
    return (
        f" Judged with caution: {windows} past {plural} known where {PAST} tell what is usual, so windows are taken to "
        f"differ by {ASSUMED_MEAN:g} sd of themselves."
    )
