"""Two models on the same rows: the difference of a metric has far less noise than the two values beside each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from include.core.request import Json
from include.metrics.estimates import HIGHER_IS_BETTER, THRESHOLD, Floats, losses, metric_name, metrics
from include.metrics.roc import placements

NOISE = 1.96  # standard errors: a difference this large is chance one time in twenty


@dataclass(frozen=True)
class Comparison:
    """`better`: how much better the challenger is than the champion, in the metric's own unit, with its standard error."""

    challenger: int
    rows: int
    metric: str
    champion_value: float
    challenger_value: float
    better: float
    error: float

    @property
    def words(self) -> str:
        told = "as good as" if abs(self.better) <= NOISE * self.error else "better than" if self.better > 0 else "worse than"
        values = f"{self.challenger_value:.3f} against {self.champion_value:.3f}"
        who = f"Version {self.challenger} is {told} the champion on the same {self.rows:,} rows"
        return f"{who}: {metric_name(self.metric)} {values} ({self.better:+.3f} ± {NOISE * self.error:.3f})."

    def to_json(self) -> dict[str, Json]:
        numbers = {
            name: float(f"{getattr(self, name):.6g}") for name in ("champion_value", "challenger_value", "better", "error")
        }
        return {"challenger": self.challenger, "rows": self.rows, "metric": self.metric, **numbers, "words": self.words}


def compare(
    label: Floats, champion: Floats, challenger: Floats, group: npt.NDArray[np.int64], metric: str, version: int,
    threshold: float = THRESHOLD,
) -> Comparison:  # fmt: skip
    """Of two models' scores [n] of the same rows. `group` [n]: rows of a day share its weather, so days are jackknifed too.

    The error of the AUC's difference is DeLong's (DeLong, DeLong, Clarke-Pearson 1988), of a mean loss the paired one.
    """
    function = metrics(threshold)[metric]
    a, b = function(label, champion), function(label, challenger)
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    parts = [placements(label == 1, score) if metric == "auc" else losses(metric, label, score, threshold)
             for score in (champion, challenger)]  # fmt: skip
    moved = parts[1] - parts[0]
    independent = _delong(label, moved) if metric == "auc" else float(moved.std(ddof=1) / np.sqrt(len(moved)))
    return Comparison(version, len(label), metric, a, b, sign * (b - a), max(independent, _by_day(label, moved, group, metric)))


def _delong(label: Floats, moved: Floats) -> float:
    return float(np.sqrt(sum(moved[label == kind].var(ddof=1) / (label == kind).sum() for kind in (0, 1))))


def _by_day(label: Floats, moved: Floats, group: npt.NDArray[np.int64], metric: str) -> float:
    """The same with days as the unit that is drawn, linearised. 0 where fewer than three days say nothing."""
    _, day = np.unique(group, return_inverse=True)
    days = int(day.max()) + 1
    if days < 3:
        return 0.0
    if metric == "auc":
        kinds = [label == kind for kind in (0, 1)]
        share = np.zeros(len(label))
        for kind in kinds:
            share[kind] = (moved[kind] - moved[kind].mean()) / kind.sum()
    else:
        share = (moved - moved.mean()) / len(moved)
    sums = np.bincount(day, share, days)
    return float(np.sqrt(days / (days - 1) * np.square(sums).sum()))
