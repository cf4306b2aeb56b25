"""The plan of an experiment, made before it starts: what its traffic was until now, and what can be seen with it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np

from include.core.errors import NotReadyError
from include.core.spec import Experiment
from include.experiments.entities import Period, gather
from include.experiments.evidence import metric_evidence
from include.experiments.heard import Tables, hear
from include.experiments.plan import A_WEEK, Plan
from include.experiments.sample_size import Promise, Traffic, promise
from include.prediction_log.shared import Where

UNKNOWN = 10_000.0  # entities that the intervals are made narrowest for where nothing is known of the traffic
FEW = 20  # entities below which nothing is promised


def make_plan(where: Where, model: str, experiment: Experiment, start: datetime, tables: Tables | None = None) -> Plan:
    """`start`: UTC, without zone. The last week whose horizons are over by then says how many entities come and how they vary."""
    said = _promise(where, model, experiment, start, tables)
    planned = said.entities if said is not None else UNKNOWN
    return Plan(experiment, start, experiment.salt, planned, said)


def words(plan: Plan) -> list[str]:
    """The promise, for people."""
    experiment, said = plan.experiment, plan.promise
    if said is None:
        return ["Nothing is known of the traffic before the start, so nothing can be said of the power."]
    share = f"{said.power:.0%} (a test done once, at the end, {said.power_once:.0%})"
    traffic = f"{_weeks(experiment.weeks)} of traffic, {said.entities:,.0f} entities"
    told = [
        f"{traffic}: a difference of {experiment.minimum_effect:g} in {experiment.primary.name} is found with a probability of "
        f"{share}; one of {said.smallest:.4g} with {experiment.power:.0%}."
    ]
    if said.power < experiment.power:
        longer = f"{_weeks(said.weeks_needed)} would do" if said.weeks_needed else "ten years would not do"
        told.append(f"That is less than the {experiment.power:.0%} that the spec asks for: {longer}.")
    return told


def _weeks(number: int) -> str:
    return "1 week" if number == 1 else f"{number} weeks"


def _promise(where: Where, model: str, experiment: Experiment, start: datetime, tables: Tables | None) -> Promise | None:
    first = start - A_WEEK - experiment.horizon
    primary, past = experiment.primary, first - timedelta(weeks=experiment.before_weeks)
    try:
        heard = hear(where, model, [primary], past, start, tables)
    except NotReadyError:  # a day of its table has not landed: its past is not known yet
        return None
    before = past if experiment.before_weeks else None
    found = gather(heard, "", Period(first, first + A_WEEK, experiment.horizon, start), (primary,), before)
    if len(found.units) < FEW:
        return None
    found.treated = np.zeros(len(found.units), bool)
    arm = metric_evidence(primary, found).control
    variance = float(arm.variance)
    if experiment.before_weeks and float(arm.variance_before) > 0:
        variance -= float(arm.covariance) ** 2 / float(arm.variance_before)
    if not 0 < variance < math.inf:
        return None
    traffic = Traffic(len(found.units) * experiment.traffic / 100, math.sqrt(variance), experiment.share / 100)
    return promise(traffic, experiment.weeks, experiment.minimum_effect, experiment.alpha, experiment.power)
