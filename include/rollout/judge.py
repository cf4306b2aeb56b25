"""The judge: evidence and plan in, one of three answers out. Pure, so every decision can be recomputed.

promote       enough was seen, nothing speaks against the challenger, and its error rate is shown to be under the margin;
              its label events, too, where the spec asks for it
roll_back     some event is the challenger's more often than its share allows, at a false-rollback rate of at most alpha
insufficient  not enough yet: never promotes, and never counts as failure. With `alerts`: both arms are beyond the
              service's objective, so somebody is paged and the stage holds; the challenger is not blamed for it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from include.rollout.alpha_spending import OCTAVE, SLICES, Ints, boundaries, period_boundaries, period_of, period_sums
from include.rollout.confidence_bounds import look_part, most_allowed, odds_share, upper, upper_ratio
from include.rollout.evidence import (
    AGAIN,
    AGAIN_ERRORS,
    CHALLENGER,
    CHAMPION,
    ENTITIES,
    ERRORS,
    FAILURES,
    FIRST,
    REQUESTS,
    Count,
    Evidence,
)
from include.rollout.guardrails import Guard
from include.rollout.judge_plan import JudgePlan
from include.rollout.label_bound import label_events_missing, label_events_shown

Answer = Literal["promote", "roll_back", "insufficient"]
RECENT = SLICES // 4  # slices over which the service's objective is watched
SCORES_COMPARED = "scores"
ALARM = 1e-4  # chance of paging by accident, each arm and look


@dataclass(frozen=True)
class Verdict:
    answer: Answer
    reasons: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        shown = {"answer": self.answer, "reasons": list(self.reasons), "numbers": dict(self.numbers)}
        return {**shown, "alerts": list(self.alerts)} if self.alerts else shown


def judge(evidence: Evidence, plan: JudgePlan) -> Verdict:
    """Decide on the evidence so far. May be asked as often as one likes: alpha is spent, not repeated."""
    numbers, seen = _numbers(evidence, plan), _said(evidence.challenger)
    against = tuple(_against(evidence, plan))
    if against:
        return Verdict("roll_back", against, numbers)
    if not plan.compared and (plan.shadow or plan.first == "smoke"):
        reason = f"no champion to compare with: passed on the smoke test and {seen} within the absolute limits"
        return Verdict("promote", (reason,), numbers)
    alerts = tuple(_alerts(evidence, plan))
    if alerts:
        return Verdict("insufficient", ("held: the fault is not the challenger's alone", *alerts), numbers, alerts)
    if evidence.challenger.requests < plan.requests:
        missing = f"{evidence.challenger.requests} of {plan.requests} requests seen by the challenger"
        return Verdict("insufficient", (missing, *_missing_entities(evidence, plan)), numbers)
    if plan.shadow:
        return Verdict("promote", (f"{seen}, nothing against it", *_not_compared(evidence, plan)), numbers)
    shown = _shown(evidence, plan)
    if shown is None:
        missing_entities = _missing_entities(evidence, plan)
        return Verdict("insufficient", (f"{seen}: {_not_shown(plan)}", *missing_entities), numbers)
    worse = _requests_speak_against(evidence, plan)
    if worse is not None:
        return Verdict("insufficient", (f"{seen}: {worse}",), numbers)
    missing_labels = tuple(label_events_missing(evidence, plan))
    if missing_labels:
        return Verdict("insufficient", (f"{seen}, nothing against it: {shown}", *missing_labels), numbers)
    words = ": ".join(filter(None, (shown, label_events_shown(evidence, plan))))
    return Verdict("promote", (f"{seen}, nothing against it: {words}",), numbers)


# -- against it ------------------------------------------------------------------------------------------


def _against(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """Every reason to roll back."""
    if plan.relative:
        for guard in plan.guards:
            yield from _more_than_its_share(evidence, plan, guard)
    else:
        yield from _beyond_the_limit(evidence, plan)
    if plan.compared and plan.tolerance is not None:
        yield from _too_different(evidence, plan)


def guard_limits(evidence: Evidence, plan: JudgePlan, guard: Guard) -> tuple[Ints, Ints, Ints]:
    """By complete slice: events so far, hits so far, and the count of hits that is too many."""
    trials, hits = guard.walk(evidence, evidence.complete)
    limits = boundaries(guard.null(plan.null_share), plan.alpha * guard.weight, trials[None, :])[0]
    return np.cumsum(trials), np.cumsum(hits), limits


def _more_than_its_share(evidence: Evidence, plan: JudgePlan, guard: Guard) -> Iterable[str]:
    events, hits, limits = guard_limits(evidence, plan, guard)
    over = np.flatnonzero(hits >= limits)
    if not over.size:
        return
    at, whose = int(over[0]), "champion's" if guard.fewer else "challenger's"
    of = "which sees every request that the champion sees" if plan.shadow else f"with {plan.share:.0%} of the entities"
    tolerated = "" if guard.tolerated == 1 else f" ({guard.tolerated:g} times as many are tolerated)"
    yield f"{hits[at]} of the first {events[at]} {guard.description} were the {whose}, {of}{tolerated}"


def _beyond_the_limit(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """No other arm serves at the same time: the share of its entities that met an error, against a fixed rate."""
    entities, erred, limits = absolute_limits(evidence, plan)
    over = np.flatnonzero(erred >= limits)
    if over.size:
        at = int(over[0])
        first = " in their first request" if evidence.first_known else ""
        when = f" after {2 ** (period_of(at) - 1)} planned lengths" if evidence.first_known and period_of(at) else ""
        what = f"{erred[at]} of the first {entities[at]} entities{when} met an error of the challenger{first}"
        yield f"{what}, more than the accepted {plan.accepted:.1%}"


def absolute_limits(evidence: Evidence, plan: JudgePlan) -> tuple[Ints, Ints, Ints]:
    """By complete slice: entities so far, those whose first request met an error, and how many are too many.

    All three start from zero in each period of the stage. Evidence of earlier versions: entities that ever erred.
    """
    if not evidence.first_known:
        entities, erred = (evidence.arms(stream, evidence.complete)[CHALLENGER] for stream in (ENTITIES, ERRORS))
        return np.cumsum(entities), np.cumsum(erred), boundaries(plan.accepted, plan.alpha, entities[None, :])[0]
    entities, erred = (_observed(evidence, *streams) for streams in ((ENTITIES, AGAIN), (FIRST, AGAIN_ERRORS)))
    limits = period_boundaries(plan.accepted, plan.alpha, entities[None, :])[0]
    return period_sums(entities), period_sums(erred), limits


def _observed(evidence: Evidence, in_the_plan: str, after_it: str) -> Ints:
    """The challenger's counts by complete slice: of one stream within the plan, of the other after it."""
    within, after = (evidence.arms(stream, evidence.complete)[CHALLENGER] for stream in (in_the_plan, after_it))
    return np.concatenate([within[:SLICES], after[SLICES:]])


def _too_different(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    difference, tolerance = evidence.difference, plan.tolerance
    enough = evidence.challenger.requests >= plan.requests
    if enough and difference is not None and tolerance is not None and difference > tolerance:
        yield (
            f"its {plan.answers} differ from the champion's by {difference:.3f}{plan.unit} on average, "
            f"more than the tolerance {tolerance}{plan.unit}"
        )


def _not_compared(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """That a shadow passes although its answers could not be compared. Of plain scores they always can."""
    if plan.compared and plan.answers != SCORES_COMPARED and evidence.difference is None:
        yield f"its {plan.answers} were not compared with the champion's: no line of the log holds both"


# -- for it ----------------------------------------------------------------------------------------------


def _shown(evidence: Evidence, plan: JudgePlan) -> str | None:
    """What shows its error rate to be under the margin; None while nothing does. Each entity is one observation."""
    by_rate, errors = plan.rate_level, evidence.rate_stream
    for look, slices in enumerate(range(SLICES, evidence.complete + 1, OCTAVE)):
        part = look_part(look)
        champion, challenger = (int(counts.sum()) for counts in evidence.arms(errors, slices))
        entities = int(evidence.arms(ENTITIES, slices)[CHALLENGER].sum())
        events, margin_share = champion + challenger, odds_share(plan.share, plan.margin)
        if plan.relative and challenger <= most_allowed(events, margin_share, plan.beta / 2 * part):
            bound = upper_ratio(challenger, events, plan.share, plan.beta / 2 * part)
            return f"it errs at most {bound:.2f} times as often as the champion (margin {plan.margin:g})"
        if challenger <= most_allowed(entities, plan.accepted, by_rate * part):
            bound = upper(challenger, entities, by_rate * part)
            return f"at most {bound:.1%} of its entities meet an error (accepted {plan.accepted:.1%})"
    return None


def _not_shown(plan: JudgePlan) -> str:
    ratio = f"at most {plan.margin:g} times the champion's, or " if plan.relative else ""
    return f"its error rate is not yet shown to be {ratio}at most {plan.accepted:.1%}; the next look is at twice the requests"


def _requests_speak_against(evidence: Evidence, plan: JudgePlan) -> str | None:
    """More of its requests fail than is accepted, and with more of its entities, though first requests do not.

    Entities alone say little where each asks often; requests alone, where one busy client fails. With one request
    an entity this holds nothing that the bound lets pass: it is the weaker demand.
    """
    if not evidence.first_known:
        return None
    shares = [_share(evidence, *streams) for streams in ((FAILURES, REQUESTS), (ERRORS, ENTITIES))]
    most = [max(plan.accepted, plan.margin * champion if plan.relative else 0.0) for champion, _ in shares]
    if any(own <= allowed for (_, own), allowed in zip(shares, most, strict=True)):
        return None
    return (
        f"{shares[0][CHALLENGER]:.1%} of its requests failed (at most {most[0]:.1%} are accepted), "
        "though few entities met an error in their first: it is not promoted while that lasts"
    )


def _share(evidence: Evidence, events: str, of: str) -> tuple[float, float]:
    """What share of one stream another is so far: the champion's and the challenger's."""
    counts = [[int(arm.sum()) for arm in evidence.arms(stream, evidence.complete)] for stream in (events, of)]
    champion, challenger = (hits / max(1, trials) for hits, trials in zip(*counts, strict=True))
    return champion, challenger


def _missing_entities(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """That entities are missing, and not requests: nothing is held against the challenger for it."""
    own = evidence.challenger.entities
    asked = evidence.champion.requests + evidence.challenger.requests
    if plan.shadow or own >= plan.entities or evidence.complete < SLICES or not asked:
        return
    both = evidence.champion.entities + own
    met = f"{own} entities" if not plan.relative else f"{own} of the {both} entities here"
    most = upper(0, own, plan.rate_level * look_part(0))
    could = f"{own} could show at most {most:.1%}" if own else "none can show anything"
    yield (
        f"entities are missing, nothing is held against the challenger: it answered {met}, and at least "
        f"{plan.entities} whose first request meets no error are needed to show {plan.accepted:.1%} ({could}); more requests "
        "of the same entities show no more. More entities, a longer deadline (at_deadline='wait'), a larger step or a "
        "higher accepted rate (margin x error_floor) would"
    )


# -- the service -----------------------------------------------------------------------------------------


def _alerts(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """Every serving arm beyond the accepted error rate in the newest quarter of the plan: an incident of the service."""
    if not plan.relative or plan.shadow:
        return
    rates = []
    for arm in (CHAMPION, CHALLENGER):
        failed, requests = _recent(evidence, arm)
        # So many failures would be that unlikely if the rate were the accepted one.
        if requests - failed > most_allowed(requests, 1 - plan.accepted, ALARM if arm == CHAMPION else 0.05):
            return
        rates.append(f"{failed} of {requests}")
    yield f"both arms fail more than the accepted {plan.accepted:.1%} of requests: champion {rates[0]}, challenger {rates[1]}"


def failing_alone(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """More of the challenger's requests fail than is accepted in the newest quarter of the plan, and the champion's do not.

    It is no ground to roll back: one busy client may be all of it. But entities that have met an error count no more, so where
    all have, in a stage that lasts, requests are what is left to see a challenger that goes bad late.
    """
    if not plan.relative or plan.shadow:
        return
    (champion_failed, champion), (failed, requests) = (_recent(evidence, arm) for arm in (CHAMPION, CHALLENGER))
    accepted = min(1.0, max(plan.accepted, plan.margin * champion_failed / max(1, champion)))
    if requests and requests - failed <= most_allowed(requests, 1 - accepted, ALARM):
        other = f"the champion's {champion_failed} of {champion}"
        yield f"{failed} of its newest {requests} requests failed, {other}; at most {accepted:.1%} are accepted"


def _recent(evidence: Evidence, arm: int) -> tuple[int, int]:
    """Of the newest quarter of the plan: an arm's requests that failed, and all of them."""
    first, last = max(0, evidence.complete - RECENT), evidence.complete
    failed, requests = (int(evidence.arms(stream, last)[arm][first:].sum()) for stream in (FAILURES, REQUESTS))
    return failed, requests


def _said(count: Count) -> str:
    return f"{count.requests} requests of {count.entities} entities, {count.errors} with an error"


def _numbers(evidence: Evidence, plan: JudgePlan) -> dict[str, Any]:
    events = {}
    for guard in plan.guards if plan.relative else ():
        champion, challenger = (int(counts.sum()) for counts in evidence.arms(guard.stream, evidence.complete + 1))
        events[guard.stream] = [champion, challenger]
    return {
        "requests": evidence.challenger.requests,
        "needed": plan.requests,
        "errors": evidence.challenger.errors,
        "champion_requests": evidence.champion.requests,
        "champion_errors": evidence.champion.errors,
        "events": events,  # by stream: entities of the champion, of the challenger
        "limits": dict(evidence.limits),
        "difference": evidence.difference,
        "share": plan.share,
        "alpha": plan.alpha,
    }
