"""One look at an experiment: from the prediction log to a decision. The same look, taken again, finds the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from include.experiments.decision import Decision, decide
from include.experiments.entities import Period, gather
from include.experiments.evidence import evidence
from include.experiments.heard import Tables, hear
from include.experiments.plan import A_WEEK, Look
from include.experiments.record import ExperimentRecord, StoredLook
from include.prediction_log.shared import Where

LOOKS = 4  # that are tried in turn, where the newest has to wait for a gateway or for a partition


@dataclass(frozen=True)
class Seen:
    """What a look found, and what follows of it."""

    evidence: dict[str, Any]
    decision: Decision


def look_at(where: Where, experiment: ExperimentRecord, look: Look, tables: Tables | None = None) -> Seen:
    """Read what was written to the log by the cutoff, and decide on it. `tables` reads the metrics that are of tables."""
    plan, spec = experiment.plan, experiment.plan.experiment
    before = plan.start - spec.before_weeks * A_WEEK if spec.before_weeks else None
    heard = hear(where, experiment.model, spec.metrics, before or plan.start, look.cutoff, tables)
    period = Period(plan.start, plan.until, spec.horizon, look.cutoff)
    found = evidence(plan, look, gather(heard, experiment.id, period, spec.metrics, before))
    return Seen(found, decide(plan, found))


@dataclass(frozen=True)
class Recomputed:
    """`decided`: whether the stored numbers lead to the stored decision. `counted`: whether the log leads to the stored numbers;
    None where it was not read."""

    cutoff: str
    answer: str
    decided: bool
    counted: bool | None


def recompute(
    experiment: ExperimentRecord, stored: StoredLook, where: Where | None = None, tables: Tables | None = None
) -> Recomputed:
    """Make a stored look's decision again: from its numbers and, with a log, from the log."""
    again = decide(experiment.plan, stored.evidence)
    counted = None
    if where is not None:
        look = experiment.plan.look(stored.evidence["day"])
        counted = look_at(where, experiment, look, tables).evidence == stored.evidence
    return Recomputed(stored.cutoff, again.answer, again.to_json() == stored.decision, counted)


def due_looks(experiment: ExperimentRecord, taken: list[StoredLook], moment: datetime) -> list[Look]:
    """The looks whose cutoff is over by the moment (UTC, without zone) and that follow the last one taken, the newest first.

    The newest that can be taken is enough: an interval holds at whichever looks are taken.
    """
    newest = experiment.plan.due(moment)
    last = max((int(each.evidence["day"]) for each in taken), default=0)
    days = range(newest.day, max(last, newest.day - LOOKS), -1) if newest is not None else range(0)
    return [experiment.plan.look(day) for day in days]
