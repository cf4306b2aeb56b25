"""Before a rollout starts: the traffic and the entities it needs, and the smallest effect it can see.

An entity is one observation, however often it asks: what counts are distinct entities. How many a service has
nobody knows beforehand but its operators; without a number each request is taken to be another entity's.

Computed for the exact conditional test asked once, at the planned end of the stage: the ceiling of any test of
the same alpha. The sequential test that is shipped stays within .05 of it (`make bench AREA=judge`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from include.core.spec import ModelSpec
from include.problems.of import of_spec
from include.rollout.alpha_spending import law
from include.rollout.confidence_bounds import fewest, look_part, most_allowed, odds_share
from include.rollout.guardrails import WEIGHTS
from include.rollout.judge_plan import JudgePlan, judge_plan
from include.rollout.plan import rollout_stages

GOAL = 0.8  # power under which a stage is said to be blind to an effect
EFFECT = 2.0  # times the champion's error rate
MOST_EVENTS = float(1 << 17)  # events of labels that are not looked beyond
LARGEST_EFFECT, MOST_REQUESTS = 1000.0, 1 << 30  # effects and requests that are not looked beyond
POINTS = 60  # numbers of errors that a probability is summed over


@dataclass(frozen=True)
class StagePower:
    """What one stage can see where the champion fails `base` of its entities."""

    stage: str
    base: float
    requests: int  # of both arms
    canary: int  # of the challenger
    power: float  # at EFFECT
    smallest: float  # rate ratio that is seen with a power of GOAL; inf: none
    needed: int  # requests of both arms that would see EFFECT with a power of GOAL
    promoted: float  # chance that a challenger as good as the champion is promoted at the planned end
    entities: int  # distinct ones of both arms that the planned requests come from
    least: int  # distinct ones of the challenger without an error that it can be promoted on
    known: bool = False  # whether the number of entities was given

    @property
    def summary(self) -> str:
        head = (
            f"{self.stage}, champion failing {self.base:.2%}: "
            f"{self.requests:,} requests, {self.canary:,} of them the challenger's, {self._whose}; "
            f"sees {self.smallest:.1f} times as many errors with a power of {GOAL}; "
            f"one as good as the champion passes at once in {self.promoted:.0%}, "
            f"for its own rate on at least {self.least:,} entities of its own"
        )
        if self.power >= GOAL:
            return head + "."
        many = f"{self.needed:,} requests of as many entities"
        return f"{head}. Its power at {EFFECT:g}x is {self.power:.2f} at best: {GOAL} would need {many}."

    @property
    def _whose(self) -> str:
        return f"of {self.entities:,} entities" if self.known else "each of another entity"


def stage_powers(
    spec: ModelSpec, champion: int | None, bases: Iterable[float] = (0.01, 0.001), entities: int | None = None
) -> list[StagePower]:
    """For each stage that compares two arms, and each error rate of the champion. Empty without a champion.

    `entities`: how many distinct ones the service has.
    """
    rules = [rule for rule in _rules(spec, champion) if rule.relative]
    return [_stage(rule, base, entities) for rule in rules for base in bases]


def entities_needed(spec: ModelSpec, champion: int | None, entities: int | None = None) -> list[str]:
    """For each stage whose promotion needs a bound: the distinct entities that it needs. With a number: whether it has them.

    Where labels have to be shown, too (`rollout.label_margin`): the events that they have to tell of.
    """
    rules = _rules(spec, champion)
    labelled = [_label_words(rule, spec) for rule in rules if rule.label_margin is not None]
    return [*(_entities_words(rule, spec, entities) for rule in rules), *labelled]


def _rules(spec: ModelSpec, champion: int | None) -> list[JudgePlan]:
    """Of the stages that are judged by entities. Their baselines know all: errors then have the least of alpha."""
    everything = dict.fromkeys((*WEIGHTS, *(event.name for event in of_spec(spec).events)), 0.0)
    judged = [stage for stage in rollout_stages(spec) if stage.judged]
    rules = [judge_plan(spec, stage, champion, everything, labelled=True) for stage in judged]
    return [rule for rule in rules if not rule.shadow and (rule.compared or rule.first == "absolute")]


def _entities_words(rule: JudgePlan, spec: ModelSpec, entities: int | None) -> str:
    both = _both(rule)
    served = f" ({both:,} on both arms)" if rule.relative else ""
    head = (
        f"{rule.stage}: passes on at least {rule.entities:,} distinct entities of the challenger{served} whose first request "
        f"meets no error (accepted {rule.accepted:.1%}); more requests of the same entities show no more"
    )
    if entities is None or entities >= both:
        return head + "."
    own = round(entities * rule.share) if rule.relative else entities
    compared = fewest(odds_share(rule.share, rule.margin), rule.rate_level * look_part(0)) if rule.relative else 0
    unless = f", unless the champion fails {compared / entities:.0%} of them" if 0 < compared < entities else ""
    late = "is rolled back at its deadline" if spec.rollout.at_deadline == "roll_back" else "waits without end"
    return (
        f"{head}. {entities:,} entities are too few (about {own:,} are the challenger's): it {late} however good the challenger, "
        f"for lack of entities{unless}. Larger steps, strategy='blue_green' "
        "or a higher accepted rate (margin x error_floor) need fewer."
    )


def _label_words(rule: JudgePlan, spec: ModelSpec) -> str:
    margin, level = rule.label_margin or 1.0, rule.beta * look_part(0)
    chance = odds_share(rule.share, margin)

    def passes(events: float) -> bool:
        most = most_allowed(round(events), chance, level)
        return float(law(round(events), rule.share)[: most + 1].sum()) >= GOAL

    needed = math.ceil(_first(passes, 1.0, MOST_EVENTS))
    kinds = ", ".join(event.description for event in of_spec(spec).events)
    return (
        f"{rule.stage}: where labels come, it passes once they show at most {margin:g} times the champion's {kinds}; one as good "
        f"as the champion does so in {GOAL:.0%} at the planned end if about {needed:,} entities of both arms meet each by their "
        f"first label, and {fewest(chance, level):,} are enough if none is the challenger's. Labels that come later than the "
        "stage lasts show nothing: a longer deadline, or at_deadline='wait', waits for them"
    )


def _both(rule: JudgePlan) -> int:
    """Entities of both arms, so many of which are the challenger's."""
    return math.ceil(rule.entities / rule.share) if rule.relative else rule.entities


def _stage(rule: JudgePlan, base: float, entities: int | None) -> StagePower:
    alpha = rule.alpha * rule.guards[0].weight

    def power(ratio: float, requests: int) -> float:
        return power_ceiling(base, ratio, requests, rule.share, alpha)

    distinct = rule.planned if entities is None else min(entities, rule.planned)
    smallest = _first(lambda ratio: power(ratio, distinct) >= GOAL, 1.0, LARGEST_EFFECT)
    needed = _first(lambda requests: power(EFFECT, round(requests)) >= GOAL, 1.0, float(MOST_REQUESTS))
    own, seen = promoted(base, distinct, rule), power(EFFECT, distinct)
    most = round(min(needed, MOST_REQUESTS))
    head = (distinct, rule.entities, entities is not None)
    return StagePower(rule.stage, base, rule.planned, rule.requests, seen, smallest, most, own, *head)


def power_ceiling(base: float, ratio: float, requests: int, share: float, alpha: float) -> float:
    """Power of the exact conditional test at the end of a stage of so many requests, each of another entity."""
    own, other = requests * share * min(1.0, base * ratio), requests * (1 - share) * base
    chance = own / (own + other)

    def crossed(errors: int) -> float:
        limit = int((np.cumsum(law(errors, share)[::-1])[::-1] > alpha).sum())
        return float(law(errors, chance)[limit:].sum())

    return _mean(crossed, own + other)


def promoted(base: float, requests: int, rule: JudgePlan) -> float:
    """Chance that the first look shows a challenger with the champion's own rate to be under the margin."""
    part = rule.beta / 2 * look_part(0)
    by_rate = most_allowed(round(requests * rule.share), rule.accepted, part)

    def shown(errors: int) -> float:
        most = max(by_rate, most_allowed(errors, odds_share(rule.share, rule.margin), part))
        return float(law(errors, rule.share)[: most + 1].sum())

    return _mean(shown, requests * base)


def _mean(value: Callable[[int], float], expected: float) -> float:
    """The mean of a function of a Poisson number of errors."""
    from scipy.special import gammaln, xlogy  # takes .2 s to import

    spread = 6 * expected**0.5 + 4
    points = np.unique(np.linspace(max(0, expected - spread), expected + spread, POINTS).round().astype(int))
    logs = xlogy(points, expected) - gammaln(points + 1)
    weights = np.exp(logs - logs.max())
    return float(np.dot(weights, [value(int(n)) for n in points]) / weights.sum())


def _first(enough: Callable[[float], bool], low: float, high: float) -> float:
    """Where a condition that holds from some point on begins to hold; inf if not below `high`."""
    step = low
    while not enough(step):
        if step >= high:
            return float("inf")
        low, step = step, min(high, step * 2)
    if step == low:
        return low
    for _ in range(12):
        middle = (low + step) / 2
        low, step = (low, middle) if enough(middle) else (middle, step)
    return step
