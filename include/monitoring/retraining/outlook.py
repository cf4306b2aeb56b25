"""What the policy would do next, and why: its last decision, how far each guard is, and what it says of one more such window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from include.core.spec import Retraining
from include.data.window import moment
from include.monitoring.retraining.policy import MONTH, Decision, Facts, decide

Shown = dict[str, Any]


def outlook(history: Sequence[Decision], policy: Retraining) -> Shown:
    """Empty before the first decision. `guards`: {name, now, needs, open, words}; `next`: {action, words, as_of} of a window that
    would say what the last one said, as long after it as that was after the one before."""
    past = sorted(history, key=lambda each: moment(each.as_of))
    if not past:
        return {}
    last = past[-1]
    told: Shown = {"as_of": last.as_of, "action": last.action, "words": last.summary}
    told |= {"reasons": list(last.reasons), "blocked_by": list(last.blocked_by)}
    try:
        facts = Facts.of(last)
    except KeyError:  # an early release kept no facts
        return {**told, "guards": [], "next": {}}
    return {**told, "guards": list(_guards(past, facts, policy)), "next": _next(past, facts, policy)}


def _guards(past: Sequence[Decision], facts: Facts, policy: Retraining) -> Iterator[Shown]:
    if facts.champion is None:
        return
    at = moment(facts.as_of)
    retrains = [moment(each.as_of) for each in past if each.action == "retrain"]
    free = max([*retrains, moment(facts.champion.data_until)]) + policy.cooldown
    spent = sum(at - when < MONTH for when in retrains)
    yield _guard("cooldown", at.date(), f"from {free.date()}", at >= free)
    yield _guard("new labels", facts.new_labels, policy.minimum_labels, facts.new_labels >= policy.minimum_labels)
    yield _guard("trainings in 30 days", spent, f"fewer than {policy.budget_per_month}", spent < policy.budget_per_month)
    rejected = len(facts.rejected)
    yield _guard("rejected challengers in a row", rejected, f"fewer than {policy.breaker}", rejected < policy.breaker)
    yield _guard(
        "data quality",
        "passed" if facts.quality.get("passed", True) else "failed",
        "passed",
        bool(facts.quality.get("passed", True)),
    )
    yield _guard("nothing else runs", ", ".join(facts.busy) or "nothing", "nothing", not facts.busy)
    if policy.floor is not None:
        due = moment(facts.champion.data_until) + policy.floor
        yield _guard("schedule's floor", at.date(), f"trains from {due.date()}", at < due, reason=True)


def _guard(name: str, now: object, needs: object, is_open: bool, *, reason: bool = False) -> Shown:
    """`reason`: it speaks for training once it is passed; the others keep it back while they are closed."""
    return {"name": name, "now": str(now), "needs": str(needs), "open": is_open, "reason": reason}


def _next(past: Sequence[Decision], facts: Facts, policy: Retraining) -> Shown:
    stride = moment(past[-1].as_of) - moment(past[-2].as_of) if len(past) > 1 else timedelta(days=7)
    end = moment(facts.as_of) + stride
    again = decide(past, replace(facts, window=f"after {facts.window}", as_of=end.isoformat()), policy)
    return {"as_of": again.as_of, "action": again.action, "words": again.summary}
