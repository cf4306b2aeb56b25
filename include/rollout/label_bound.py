"""That the challenger's label events are at most so many times the champion's, where the spec asks (`rollout.label_margin`).

The same bound as that of errors (include/rollout/confidence_bounds.py), at the same looks: given s entities of both arms whose
first label was the event, the challenger's are Binomial(s, p_m) if it meets the event m times as often; so few of its own that
this is as improbable as the look allows rule m out. Each event may spend all of beta: for a promotion every one must be shown,
so a challenger that is at the margin in any of them is promoted with a probability of at most beta (Berger 1982).

An entity's first label in the stage is its one observation: of entities with many labels nearly all meet an event once.
"""

from __future__ import annotations

from collections.abc import Iterable

from include.rollout.alpha_spending import OCTAVE, SLICES
from include.rollout.confidence_bounds import look_part, most_allowed, odds_share, upper_ratio
from include.rollout.evidence import CHALLENGER, CHAMPION, LABELLED, Evidence, first_of
from include.rollout.guardrails import Guard
from include.rollout.judge_plan import JudgePlan


def label_events_shown(evidence: Evidence, plan: JudgePlan) -> str:
    """The bounds, in words; empty where no label is asked for."""
    if plan.label_margin is None or not plan.relative:
        return ""
    if not plan.labels:
        return f"labels were not expected, so none was asked for (label margin {plan.label_margin:g})"
    bounds = [(guard, _bound(evidence, plan, guard)) for guard in plan.label_guards]
    said = [f"{guard.description} at most {bound:.2f} times the champion's" for guard, bound in bounds if bound is not None]
    return f"by its labels {' and '.join(said)} (label margin {plan.label_margin:g})"


def label_events_missing(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """The events that are not yet shown to be under the margin, each in words."""
    if plan.label_margin is None:
        return
    for guard in plan.label_guards:
        if _bound(evidence, plan, guard) is None:
            champion, challenger = _entities(evidence, first_of(guard.stream), evidence.complete)
            labelled = _entities(evidence, LABELLED, evidence.complete)
            yield (
                f"its {guard.description} are not yet shown to be at most {plan.label_margin:g} times the champion's "
                f"({challenger} of its {labelled[CHALLENGER]:,} entities with a label, {champion} of the champion's "
                f"{labelled[CHAMPION]:,}, by their first label); nothing is held against it, and the next look is at twice the "
                "requests"
            )


def _bound(evidence: Evidence, plan: JudgePlan, guard: Guard) -> float | None:
    """The ratio that is ruled out by the first look that rules out the margin; None while none does."""
    margin = plan.label_margin or 1.0
    for look, slices in enumerate(range(SLICES, evidence.complete + 1, OCTAVE)):
        level = plan.beta * look_part(look)
        champion, challenger = _entities(evidence, first_of(guard.stream), slices)
        events = champion + challenger
        if challenger <= most_allowed(events, odds_share(plan.share, margin), level):
            return upper_ratio(challenger, events, plan.share, level)
    return None


def _entities(evidence: Evidence, stream: str, slices: int) -> tuple[int, int]:
    champion, challenger = (int(counts.sum()) for counts in evidence.arms(stream, slices))
    return champion, challenger
