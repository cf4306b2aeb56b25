"""The gate: may this model be registered as a candidate? Pure, and closed when anything is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from include.core.spec import Evaluation
from include.evaluation.privacy_words import closing
from include.fairness.verdict import reasons
from include.metrics.stored import stored_difference, stored_number
from include.problems.stated import metric_in, units_in
from include.step_values.evaluation import GateValue

SLICE_ALPHA = 0.05  # the chance that slices close the gate on a challenger that is as good in every one of them


@dataclass(frozen=True)
class GateVerdict:
    """`reasons`: why the gate is closed; empty when it is open."""

    passed: bool
    reasons: tuple[str, ...]

    def to_json(self) -> GateValue:
        return {"passed": self.passed, "reasons": list(self.reasons)}


def decide(evaluation: Mapping[str, object], spec: Evaluation) -> GateVerdict:
    """Judge the step's value (`metrics`, `champion`, `paired`, `latency_ms`, `bytes`) by the spec's evaluation section.

    The value's `problem` says which way up a metric is, and its unit; without one it is a plain binary model's.
    """
    judged = (_floor, _champion, _cold, _slices, _fairness, _robustness, _privacy, _latency, _size)
    reasons = tuple(reason for judge in judged for reason in judge(evaluation, spec))
    return GateVerdict(not reasons, reasons)


def _floor(evaluation: Mapping[str, object], spec: Evaluation) -> Iterable[str]:
    value, metric = stored_number(evaluation.get("metrics"), spec.metric), metric_in(evaluation, spec.metric)
    if value is None:
        yield f"{spec.metric} is missing or not a number"
    elif spec.minimum is not None and metric.worse_by(value, spec.minimum) > 0:
        side = "below the floor" if metric.higher_is_better else "above the ceiling"
        yield f"{spec.metric} {metric.shown(value)} is {side} {spec.minimum:.4f} (evaluation.minimum)"


def _champion(evaluation: Mapping[str, object], spec: Evaluation) -> Iterable[str]:
    """Closed unless the challenger is shown to be within the margin: too few rows to show it are no reason to trust it."""
    champion = evaluation.get("champion")
    if other := evaluation.get("incomparable"):
        yield (
            f"{other}: they cannot be compared, so whether it may take over is for a person to say (`slipstream gate open MODEL "
            'VERSION --reason "..."`)'
        )
        return
    if champion is None:  # the first version has nobody to beat
        return
    ours, theirs = stored_number(evaluation.get("metrics"), spec.metric), stored_number(champion, spec.metric)
    paired, metric = stored_difference(evaluation.get("paired")), metric_in(evaluation, spec.metric)
    if theirs is None:
        yield f"the champion's {spec.metric} is missing or not a number"
    elif paired is None:
        yield "the challenger was not compared with the champion row by row"
    elif ours is not None and paired.worse > spec.margin:
        yield (
            f"{spec.metric} {metric.shown(ours)} is worse than the champion's {metric.shown(theirs)} on the same holdout "
            f"by more than {spec.margin:.4f} (evaluation.margin)"
        )
    elif ours is not None and not paired.upper(spec.alpha) <= spec.margin:
        yield (
            f"{spec.metric} {metric.shown(ours)} is not shown to be within {spec.margin:.4f} of the champion's "
            f"{metric.shown(theirs)}: on these {paired.rows:,} {units_in(evaluation)} it may be worse by "
            f"{paired.upper(spec.alpha):.4f} (evaluation.margin, evaluation.alpha)"
        )


def _cold(evaluation: Mapping[str, object], spec: Evaluation) -> Iterable[str]:
    """Of a fit that began from another's weights: closed where it is worse than its cold twin by more than the margin.

    The champion's comparison asks for evidence; this one, between twins of the same rows, for what was seen: a warm start is a
    way to save epochs, and no reason to ship what a fit without it would have beaten.
    """
    cold = evaluation.get("cold")
    if not isinstance(cold, Mapping):
        return
    ours, theirs = stored_number(evaluation.get("metrics"), spec.metric), stored_number(cold.get("metrics"), spec.metric)
    paired, metric = stored_difference(cold.get("paired")), metric_in(evaluation, spec.metric)
    if theirs is None or paired is None:
        yield f"the cold fit's {spec.metric} is missing or not a number, so the warm start was not compared with it"
    elif ours is not None and not paired.worse <= spec.margin:
        yield (
            f"{spec.metric} {metric.shown(ours)} of the warm start is worse than the cold fit's {metric.shown(theirs)} on the "
            f"same holdout by more than {spec.margin:.4f}: train without training.warm_start, for the champion's weights hinder"
        )


def _slices(evaluation: Mapping[str, object], spec: Evaluation) -> Iterable[str]:
    """Slices that fell by more than their margin and beyond chance: Holm's correction over all of them."""
    found = [(row, stored_difference(row)) for row in _rows(evaluation.get("paired"), "slices")]
    tests = sorted((each.p_worse(), place) for place, (_, each) in enumerate(found) if each is not None)
    for rank, (p, place) in enumerate(tests):
        if p > SLICE_ALPHA / (len(tests) - rank):
            return
        row, each = found[place]
        if each is not None and each.worse > spec.slice_margin:
            yield (
                f"{spec.metric} of {row['slice']}={row['value']} is worse than the champion's by {each.worse:.4f} "
                f"on {each.rows:,} {units_in(evaluation)} (evaluation.slice_margin {spec.slice_margin:.4f}; p {p:.2g} of "
                f"{len(tests)} slices)"
            )


def _fairness(evaluation: Mapping[str, object], spec: Evaluation) -> Iterable[str]:
    """Limits of the section `fairness` that are not kept, as it judged them itself (include/fairness)."""
    found = evaluation.get("fairness")
    if isinstance(found, Mapping):
        yield from reasons(found)


def _robustness(evaluation: Mapping[str, object], spec: Evaluation) -> Iterable[str]:
    """Views whose loss is shown to cost more than `evaluation.robustness.limit`."""
    found = evaluation.get("robustness")
    if isinstance(found, Mapping):
        yield from (str(each) for each in found.get("missed", ()))


def _privacy(evaluation: Mapping[str, object], spec: Evaluation) -> Iterable[str]:
    """Closed unless the attack's advantage is shown to be within the limit, where the spec sets one."""
    if spec.privacy is None or spec.privacy.limit is None:
        return
    found = evaluation.get("privacy")
    if reason := closing(found if isinstance(found, Mapping) else {}, spec.privacy.limit):
        yield reason


def _latency(evaluation: Mapping[str, object], spec: Evaluation) -> Iterable[str]:
    p99 = stored_number(evaluation.get("latency_ms"), "p99")
    if p99 is None:
        yield "the p99 latency is missing or not a number"
    elif p99 > spec.max_latency_ms:
        yield (
            f"p99 latency {p99:.3f} ms is above {spec.max_latency_ms:.3f} ms (evaluation.max_latency_ms)"
            f"{_wire(evaluation)}{_machine(evaluation['latency_ms'])}"
        )


def _wire(evaluation: Mapping[str, object]) -> str:
    """Of a version that another server serves."""
    remote = evaluation.get("remote")
    return f"; it was measured over the wire, to {remote} and back" if remote else ""


def _machine(latency: object) -> str:
    """What the machine did meanwhile, where that was measured."""
    if not isinstance(latency, Mapping):
        return ""
    seen, slowdown = stored_number(latency.get("seen"), "p99"), stored_number(latency.get("reference"), "slowdown")
    if seen is None or slowdown is None:
        return ""
    return f"; {seen:.3f} ms were seen while the reference took {slowdown:.2f} times its known cost"


def closed_by_latency_alone(evaluation: Mapping[str, object], spec: Evaluation) -> bool:
    """Whether only the latency closed the gate: what depends on more than the model, so it may be measured again."""
    gate = evaluation.get("gate")
    if not isinstance(gate, Mapping) or gate.get("passed", True):
        return False
    return decide({**evaluation, "latency_ms": {"p99": 0.0}}, spec).passed


def _size(evaluation: Mapping[str, object], spec: Evaluation) -> Iterable[str]:
    if evaluation.get("remote"):  # another server holds the model: how large it is there says nothing here
        return
    size = stored_number(evaluation, "bytes")
    if size is None:
        yield "the model's size is missing or not a number"
    elif size > spec.max_bytes:
        yield f"the model has {size:.0f} bytes, more than {spec.max_bytes} (evaluation.max_bytes)"


def _rows(body: object, name: str) -> list[Mapping[str, object]]:
    rows = body.get(name) if isinstance(body, Mapping) else None
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
