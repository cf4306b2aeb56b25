"""Has the data moved beyond what this model's own past windows do of themselves?

Each past window is judged as if it were new, against the others (leave one out): its score is the
largest distance of any column. The new window's score is held against that distribution, so the chance
of a false alarm is of the whole check, however many columns there are, and the season's ordinary coming
and going sets the scale (notes/methods.md, "Drift"). Significance (`critical`) and effect (`MOVED`,
`EXCESS`: what is too small to matter however sure) are kept apart; both must speak.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from include.core.request import Json
from include.monitoring.distance import Distance, Windows, distance
from include.monitoring.profile import Axis, Profile
from include.monitoring.reference import Reference
from include.monitoring.statistic import Floats
from include.monitoring.words import moved

ALPHA = 0.03  # nominal; simulated .01 to .04 over 8 to 25 past windows and 5 to 100 columns
PAST = 6  # fewer past windows tell nothing of what is usual
VALUES = 30  # fewer present values of a column are not judged
MOVED = 0.1  # standard deviations
EXCESS = 0.1  # PSI: the common reading of "some change"

Verdict = Literal["drift", "none", "abstain"]


@dataclass(frozen=True)
class ColumnDrift:
    name: str
    drifted: bool
    distance: Distance
    words: str

    def to_json(self) -> dict[str, Json]:
        numbers = {name: round(value, 6) for name, value in asdict(self.distance).items()}
        return {
            "name": self.name,
            "drifted": self.drifted,
            "words": self.words,
            "score": round(self.distance.score, 4),
            **numbers,
        }


@dataclass(frozen=True)
class DriftVerdict:
    """`statistic` and `critical` are multiples of a column's usual spread; `columns` the farthest first."""

    verdict: Verdict
    words: str
    statistic: float | None = None
    critical: float | None = None
    p_value: float | None = None
    past_windows: int = 0
    columns: tuple[ColumnDrift, ...] = ()
    not_judged: dict[str, str] = field(default_factory=dict)

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        return tuple(column for column in self.columns if column.drifted)

    def to_json(self) -> dict[str, Json]:
        numbers = {name: _rounded(getattr(self, name)) for name in ("statistic", "critical", "p_value")}
        return {
            "verdict": self.verdict,
            "words": self.words,
            **numbers,
            "past_windows": self.past_windows,
            "columns": [column.to_json() for column in self.columns],
            "not_judged": dict(self.not_judged),
        }


def judge(window: Profile, rows: int, reference: Reference, *, minimum_rows: int, set_aside: dict[str, str]) -> DriftVerdict:
    """The verdict on one window. `set_aside`: columns that data quality already speaks of, with the reason."""
    if rows < minimum_rows:
        return DriftVerdict("abstain", f"{rows} rows are too few to judge drift; {minimum_rows} are needed.")
    if len(reference.past) < PAST:
        return DriftVerdict(
            "abstain",
            f"The champion's training set holds {len(reference.past)} windows of this length; {PAST} are needed "
            "to know what is usual.",
        )
    apart = {**dict.fromkeys(reference.clocks, "follows the calendar: new in every window"), **set_aside}
    columns = {}
    for axis in reference.axes:
        if axis.name not in apart:
            column = _Column.of(axis, window, reference)
            if isinstance(column, str):
                apart[axis.name] = column
            else:
                columns[axis.name] = column
    if not columns:
        return DriftVerdict("abstain", "No column can be judged.", past_windows=len(reference.past), not_judged=apart)
    return _verdict(columns, len(reference.past), apart)


@dataclass(frozen=True)
class _Column:
    """A column's new window and its past ones. `kept`: which of the past windows have enough values."""

    axis: Axis
    here: Windows
    past: Windows
    kept: tuple[int, ...]

    @classmethod
    def of(cls, axis: Axis, window: Profile, reference: Reference) -> _Column | str:
        """The column, or in words why it is not judged."""
        history = reference.column(axis.name)
        kept = tuple(index for index, summary in enumerate(history) if summary.present >= VALUES)
        if axis.name not in window or window[axis.name].present < VALUES:
            return "too few values in this window"
        if len(kept) < PAST:
            return "too few values in the past windows"
        past = Windows.of([history[index] for index in kept])
        groups = past.groups()
        past = past.lumped(groups)
        here = Windows.of([window[axis.name]]).lumped(groups)
        if here.bins.max() == here.n[0] and here.variance[0] == 0:
            return "one value only in this window"
        if (past.bins.sum(axis=0) > 0).sum() < 2 and past.variance.max() == 0:
            return "never varied in the training set"
        return cls(axis, here, past, kept)

    @property
    def numeric(self) -> bool:
        return self.axis.dtype != "category"

    def now(self) -> Distance:
        return distance(self.here, self.past, self.numeric)

    def then(self) -> dict[int, float]:
        """Each past window's score against the others, by its position."""
        every = np.arange(len(self.past))
        return {
            index: distance(self.past[every == at], self.past[every != at], self.numeric).score
            for at, index in enumerate(self.kept)
        }


def _verdict(columns: dict[str, _Column], windows: int, apart: dict[str, str]) -> DriftVerdict:
    scores: dict[int, float] = {}
    for column in columns.values():
        for index, score in column.then().items():
            scores[index] = max(score, scores.get(index, 0.0))
    found = {name: column.now() for name, column in columns.items()}
    statistic = max(d.score for d in found.values())
    p_value, critical = _tail(np.array(list(scores.values())), statistic)
    judged = [_column(columns[name], d, critical) for name, d in found.items()]
    judged.sort(key=lambda column: (-column.distance.score, column.name))
    drifted = [column for column in judged if column.drifted]
    return DriftVerdict(
        verdict="drift" if drifted else "none",
        words=_summary(drifted, statistic, critical, judged[0].name),
        statistic=statistic,
        critical=critical,
        p_value=p_value,
        past_windows=windows,
        columns=tuple(judged),
        not_judged=apart,
    )


def _tail(past: Floats, score: float) -> tuple[float, float]:
    """Chance of a score as large, and the score of chance ALPHA: a t prediction bound for its logarithm.

    A rank among a dozen windows cannot speak below 1/13; the logarithm of a maximum is close to normal.
    """
    logs = np.log(np.maximum(past, 1e-3))
    count, center = len(logs), float(logs.mean())
    spread = max(float(logs.std(ddof=1)), 0.05) * (1 + 1 / count) ** 0.5
    p_value = float(stdtr(count - 1, -(np.log(max(score, 1e-3)) - center) / spread))
    return p_value, float(np.exp(center + spread * stdtrit(count - 1, 1 - ALPHA)))


def _column(column: _Column, d: Distance, critical: float) -> ColumnDrift:
    matters = abs(d.moved) >= MOVED or d.excess >= EXCESS
    return ColumnDrift(column.axis.name, d.score > critical and matters, d, moved(column.axis, d, column.here))


def _summary(drifted: list[ColumnDrift], statistic: float, critical: float, farthest: str) -> str:
    if not drifted:
        at = f"the farthest column, {farthest}, is at {statistic:.1f} times its usual spread"
        return f"No drift: {at}; {critical:.1f} would be an alarm."
    more = f" and {len(drifted) - 3} more columns" if len(drifted) > 3 else ""
    return "; ".join(column.words for column in drifted[:3]) + more + f" (an alarm from {critical:.1f} times on)."


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
