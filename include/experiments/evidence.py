"""What a look found, as ten numbers an arm and metric: whoever has them makes the decision anew, without the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.core.digest import digest_json
from include.core.spec import Metric
from include.experiments.entities import Entities
from include.experiments.moments import Moments
from include.experiments.plan import Look, Plan

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MetricEvidence:
    """Of one metric. `low`, `high`: what the values were cut at; None where nothing was. `largest`: the share of the difference's
    variance that is one single entity's."""

    control: Moments
    treatment: Moments
    low: float | None
    high: float | None
    largest: float

    def to_json(self) -> dict[str, Any]:
        return {
            "control": self.control.to_json(),
            "treatment": self.treatment.to_json(),
            "cut": [self.low, self.high],
            "largest": self.largest,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> MetricEvidence:
        low, high = value["cut"]
        return cls(Moments.from_json(value["control"]), Moments.from_json(value["treatment"]), low, high, value["largest"])


def evidence(plan: Plan, look: Look, found: Entities) -> dict[str, Any]:
    """JSON: day, cutoff, final, entities by arm, left_out, metrics, and the digest of the entities' values."""
    treated = int(found.treated.sum())
    metrics = {metric.name: metric_evidence(metric, found).to_json() for metric in plan.experiment.metrics}
    return {
        "day": look.day,
        "cutoff": look.cutoff.isoformat(),
        "final": look.final,
        "entities": {"control": len(found.units) - treated, "treatment": treated},
        "left_out": {name: count for name, count in sorted(found.left_out.items()) if count},
        "metrics": metrics,
        "digest": digest_json(
            [found.units, found.treated.tolist(), {name: each.tolist() for name, each in found.values.items()}]
        ),
    }


def metric_evidence(metric: Metric, found: Entities) -> MetricEvidence:
    """Of the entities of both arms: cut by the metric's rule, which is the same for both."""
    value, low, high = _cut(metric, found.values[metric.name])
    weight = found.requests if metric.per == "request" else np.ones_like(value)
    before = _filled(found.before.get(metric.name), len(value))
    control, treatment = (
        Moments.of(value[arm], weight[arm], before[arm]) for arm in (~found.treated, found.treated)
    )  # fmt: skip
    return MetricEvidence(control, treatment, low, high, _largest(value, weight, found.treated, control, treatment))


def _cut(metric: Metric, value: Floats) -> tuple[Floats, float | None, float | None]:
    low: float | None = None
    high: float | None = None
    if metric.cap is not None:
        low, high = -metric.cap, metric.cap
    elif metric.winsorise is not None and len(value):
        low, high = (float(np.quantile(value, each)) for each in (1 - metric.winsorise, metric.winsorise))
    return (value if low is None else np.clip(value, low, high)), low, high


def _filled(before: Floats | None, entities: int) -> Floats:
    """Who has no past has the mean of those who have one."""
    if before is None or np.isnan(before).all():
        return np.zeros(entities)
    return np.where(np.isnan(before), np.nanmean(before), before)


def _largest(value: Floats, weight: Floats, treated: NDArray[np.bool_], control: Moments, treatment: Moments) -> float:
    """1 where there is no variance to have a share of."""
    if control.n < 2 or treatment.n < 2:
        return 1.0
    ratio = np.where(treated, treatment.ratio, control.ratio)
    size = np.where(treated, treatment.n * treatment.weight, control.n * control.weight)
    shares = ((value - ratio * weight) / size) ** 2
    total = float(shares.sum())
    return float(shares.max() / total) if 0 < total < np.inf else 1.0
