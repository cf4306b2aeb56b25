"""What may roll a challenger back, and how alpha is shared over it. Fixed before the stage begins.

Each guard watches one stream of events (include/rollout/evidence.py). Its null hypothesis: the challenger's
rate is at most `tolerated` times the champion's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from include.core.spec import ModelSpec
from include.rollout.alpha_spending import Ints
from include.rollout.confidence_bounds import odds_share
from include.rollout.evidence import CHALLENGER, CHAMPION, ERRORS, Evidence

if TYPE_CHECKING:
    from include.problems.problem import Problem

QUANTILES = {"latency_p50": 50, "latency_p90": 90, "latency_p99": 99}  # of the champion's latency
SCORES = {"score_low": 10, "score_high": 90}  # percentiles of the champion's scores
LOSS = "loss"  # the label says that the decision was wrong
# Shares of alpha, scaled to the guards that a stage has. Errors hurt most and are rarest; the tail of the
# latency before its middle.
WEIGHTS = {
    ERRORS: 0.4,
    "latency_p50": 0.1,
    "latency_p90": 0.1,
    "latency_p99": 0.2,
    "score_low": 0.05,
    "score_high": 0.05,
    LOSS: 0.1,
}
BUSINESS_METRIC_WEIGHT = 0.1

DESCRIPTIONS = {
    ERRORS: "errors",
    "latency_p50": "slow answers (over the champion's p50)",
    "latency_p90": "slow answers (over the champion's p90)",
    "latency_p99": "slow answers (over the champion's p99)",
    "score_low": "low scores (under the champion's p10)",
    "score_high": "high scores (over the champion's p90)",
    LOSS: "wrong answers",
}


@dataclass(frozen=True)
class Guard:
    stream: str
    weight: float = 1.0  # of alpha; those of a stage add up to 1
    tolerated: float = 1.0
    fewer: bool = False  # the event is good: too few of the challenger's are bad
    words: str = ""  # as verdicts name the event, where the stream alone does not say it

    @property
    def description(self) -> str:
        return self.words or DESCRIPTIONS.get(self.stream, self.stream.replace("outcome:", "events of ").replace("_", " "))

    @property
    def of_labels(self) -> bool:
        """Whether labels tell of its events."""
        return self.stream == LOSS or self.stream.startswith(f"{LOSS}_")

    def null(self, share: float) -> float:
        """The chance of a hit under the null: that an event is the challenger's, or the champion's if `fewer`."""
        return 1 - odds_share(share, 1 / self.tolerated) if self.fewer else odds_share(share, self.tolerated)

    def walk(self, evidence: Evidence, slices: int) -> tuple[Ints, Ints]:
        """Trials and hits by slice."""
        arms = evidence.arms(self.stream, slices)
        return arms[CHAMPION] + arms[CHALLENGER], arms[CHAMPION if self.fewer else CHALLENGER]

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        return values if self.words else {name: value for name, value in values.items() if name != "words"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**value)


def business_metric_stream(name: str) -> str:
    return f"outcome:{name}"


def stage_guards(spec: ModelSpec, limits: Mapping[str, float], labelled: bool) -> tuple[Guard, ...]:
    """The guards of a stage with two arms: errors always, the rest as far as the baseline knows it."""
    return scaled([Guard(ERRORS, WEIGHTS[ERRORS]), *_learned(spec, limits, labelled)])


def scaled(guards: Iterable[Guard]) -> tuple[Guard, ...]:
    """Weights that add up to 1."""
    chosen = tuple(guards)
    total = sum(guard.weight for guard in chosen)
    return tuple(replace(guard, weight=guard.weight / total) for guard in chosen)


def _learned(spec: ModelSpec, limits: Mapping[str, float], labelled: bool) -> Iterable[Guard]:
    rule = spec.rollout
    for name in QUANTILES:
        if name in limits:
            yield Guard(name, WEIGHTS[name])
    problem = _problem(spec)
    if rule.score_tolerance is not None:
        for name in SCORES:
            if name in limits:
                words = DESCRIPTIONS[name].replace("scores", problem.answer_words)
                yield Guard(name, WEIGHTS[name], rule.score_tolerance, words="" if words == DESCRIPTIONS[name] else words)
    if labelled:
        yield from _label_guards(problem, limits)
    for metric in rule.outcomes:
        yield Guard(business_metric_stream(metric.name), BUSINESS_METRIC_WEIGHT, metric.tolerated, metric.worse == "fewer")


def _label_guards(problem: Problem, limits: Mapping[str, float]) -> Iterable[Guard]:
    """One for each event that a label can make, as far as its limit is known; they share the weight of labels."""
    known = [event for event in problem.events if event.limit is None or event.name in limits]
    for event in known:
        words = event.words(limits)
        yield Guard(event.name, WEIGHTS[LOSS] / len(known), words="" if words == DESCRIPTIONS.get(event.name) else words)


def _problem(spec: ModelSpec) -> Problem:
    from include.problems.of import of_spec  # pyarrow: `slipstream rollback` imports this module and asks nothing

    return of_spec(spec)


def label_streams(spec: ModelSpec, limits: Mapping[str, float]) -> Iterable[str]:
    """The streams of the events that a label can make."""
    return (guard.stream for guard in _label_guards(_problem(spec), limits))
