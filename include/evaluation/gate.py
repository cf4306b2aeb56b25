"""The gate: may this model be registered as a candidate? Pure, and closed when anything is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from include.core.request import Json
from include.core.spec import Evaluation

LOWER_IS_BETTER = {"log_loss"}


@dataclass(frozen=True)
class GateVerdict:
    passed: bool
    reasons: tuple[str, ...]  # why it is closed; empty when it is open

    def to_json(self) -> dict[str, Json]:
        return {**asdict(self), "reasons": list(self.reasons)}


def decide(evaluation: Mapping[str, Json], spec: Evaluation) -> GateVerdict:
    """Judge the step's value (`metrics`, `champion`, `latency_ms`, `bytes`) by the spec's evaluation section."""
    reasons = (*_floor(evaluation, spec), *_champion(evaluation, spec), *_latency(evaluation, spec), *_size(evaluation, spec))
    return GateVerdict(not reasons, reasons)


def _floor(evaluation: Mapping[str, Json], spec: Evaluation) -> Iterable[str]:
    value = _number(evaluation.get("metrics"), spec.metric)
    if value is None:
        yield f"{spec.metric} is missing or not a number"
    elif spec.minimum is not None and worse(spec.metric, value, spec.minimum) > 0:
        side = "above the ceiling" if spec.metric in LOWER_IS_BETTER else "below the floor"
        yield f"{spec.metric} {value:.4f} is {side} {spec.minimum:.4f} (evaluation.minimum)"


def _champion(evaluation: Mapping[str, Json], spec: Evaluation) -> Iterable[str]:
    champion = evaluation.get("champion")
    if champion is None:  # the first version has nobody to beat
        return
    ours, theirs = _number(evaluation.get("metrics"), spec.metric), _number(champion, spec.metric)
    if theirs is None:
        yield f"the champion's {spec.metric} is missing or not a number"
    elif ours is not None and worse(spec.metric, ours, theirs) > spec.margin:
        yield (
            f"{spec.metric} {ours:.4f} is worse than the champion's {theirs:.4f} on the same holdout "
            f"by more than {spec.margin:.4f} (evaluation.margin)"
        )


def _latency(evaluation: Mapping[str, Json], spec: Evaluation) -> Iterable[str]:
    p99 = _number(evaluation.get("latency_ms"), "p99")
    if p99 is None:
        yield "the p99 latency is missing or not a number"
    elif p99 > spec.max_latency_ms:
        yield f"p99 latency {p99:.3f} ms is above {spec.max_latency_ms:.3f} ms (evaluation.max_latency_ms)"


def _size(evaluation: Mapping[str, Json], spec: Evaluation) -> Iterable[str]:
    size = _number(evaluation, "bytes")
    if size is None:
        yield "the model's size is missing or not a number"
    elif size > spec.max_bytes:
        yield f"the model has {size:.0f} bytes, more than {spec.max_bytes} (evaluation.max_bytes)"


def worse(metric: str, value: float, than: float) -> float:
    """By how much `value` is worse; negative if it is better."""
    return value - than if metric in LOWER_IS_BETTER else than - value


def _number(values: Json, name: str) -> float | None:
    value = values.get(name) if isinstance(values, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
