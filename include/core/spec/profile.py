"""The field `profile`: what a spec that is under regulation gets by default, and may not go below (docs/regulation.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from include.core.spec.approval import Approval
from include.core.spec.data import Retention
from include.core.spec.evaluation import Evaluation, Robustness
from include.core.spec.explanations import Explanations
from include.core.spec.privacy import MembershipCheck
from include.core.spec.rollout import Rollout

Profile = Literal["standard", "regulated"]
RANK: Mapping[str, int] = {"standard": 0, "regulated": 1}
EXCEPTIONS = ("explanations", "fairness", "privacy", "retention", "robustness", "slices")  # what a reason may stand in place of
SHORTEST = 20  # characters of a reason
APPROVAL = Approval(before="traffic", persons=2)
LOGS = 183  # days: the six months of the AI Act's articles 19 and 26


def regulated(
    evaluation: Evaluation, rollout: Rollout, exceptions: Mapping[str, str], managed: bool
) -> dict[str, dict[str, Any]]:
    """The values that a regulated spec did not set, by section and field. `managed`: whether it is trained here: what is measured
    on training rows, or by the platform's own evaluation, is not by default of a model that is only served."""
    found: dict[str, dict[str, Any]] = {"evaluation": {}, "rollout": {}}
    if "approval" not in rollout.model_fields_set:
        found["rollout"]["approval"] = APPROVAL
    if managed:
        wanted = {"explanations": Explanations(), "robustness": Robustness(), "privacy": MembershipCheck()}
        given = {*evaluation.model_fields_set, *exceptions}
        found["evaluation"] = {name: value for name, value in wanted.items() if name not in given}
    return found


def problems(profile: Profile, exceptions: Mapping[str, str], rollout: Rollout, retention: Retention) -> Iterator[str]:
    """What is wrong with the profile of a spec, whatever else is: no spec is loaded with less."""
    if exceptions and profile == "standard":
        yield 'profile_exceptions: there is nothing to except from, for profile is "standard"'
    if unknown := sorted({*exceptions} - {*EXCEPTIONS}):
        yield f"profile_exceptions: {unknown} can have no exception; these can: {', '.join(EXCEPTIONS)}"
    if short := sorted(name for name, reason in exceptions.items() if len(reason.strip()) < SHORTEST):
        yield f"profile_exceptions: {short} needs its reason, of at least {SHORTEST} characters: an auditor reads it"
    if profile == "standard":
        return
    asked = rollout.persons_asked
    if asked is None or asked.before != "traffic" or asked.persons < APPROVAL.persons:
        yield 'rollout.approval: profile="regulated" asks two persons before any traffic; leave it out, or ask for more'
    if rollout.experiment:
        yield 'rollout.experiment: it gives traffic before the rollout is approved, which profile="regulated" rules out'
    yield from _forgotten_early(retention)


def _forgotten_early(retention: Retention) -> Iterator[str]:
    """An answer that is still in the log can be explained by the version that gave it."""
    kept, logged = retention.versions, max(LOGS, retention.predictions_days or 0)
    if kept is not None and kept.days < logged:
        yield (
            f'data.retention.versions: days={kept.days} is less than profile="regulated" keeps: {logged} (six months of logs, or '
            "retention.predictions_days); leave it out, or keep them longer"
        )
