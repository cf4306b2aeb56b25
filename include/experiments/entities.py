"""The entities of an experiment as arrays: who is in which arm since when, and what each of them did within its horizon.

An entity counts once its horizon is over, with a value that never changes again: so the entities are a sequence of independent
observations, which is what the intervals ask for. An entity that was seen in both arms (its requests met two routes) is left
out and counted; an entity whose id changed is two, in arms of their own, which blurs the difference and is nothing that a log can
show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from include.core.spec import Metric
from include.core.time import microseconds
from include.experiments.heard import Asked, Heard, Reported

Floats = NDArray[np.float64]
CONTROL, TREATMENT = "champion", "challenger"


@dataclass(frozen=True)
class Period:
    """Entities come in from `start` to before `until`, and are followed for `horizon`; what came by `cutoff` is known."""

    start: datetime
    until: datetime
    horizon: timedelta
    cutoff: datetime


@dataclass
class Entities:
    """Arrays of the same length, sorted by the entities' hashes. `before`: NaN where nothing is known of the time before."""

    units: list[str]
    treated: NDArray[np.bool_]
    requests: Floats
    values: dict[str, Floats] = field(default_factory=dict)
    before: dict[str, Floats] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def gather(
    heard: Heard, experiment: str, period: Period, metrics: tuple[Metric, ...], before: datetime | None = None
) -> Entities:
    """Of that experiment; of every request with an empty id, all in one arm. `before`: from when on the time before is looked at.

    `left_out` counts by reason: `crossed` and `immature` entities; outcomes that are of an `unknown` request, of one `outside`
    the experiment, `before` the entity's first one or their own request, `late`, `unusable`, `repeated`; `contested` ids.
    """
    exposed, crossed = _exposures(heard, experiment, period)
    first, cutoff = microseconds(period.start), microseconds(period.cutoff)
    span = microseconds(period.start + period.horizon) - first
    mature = {unit: one.at for unit, one in exposed.items() if unit not in crossed and one.at + span <= cutoff}
    units = sorted(mature)
    found = Entities(units, np.array([exposed[unit].arm == TREATMENT for unit in units], bool), np.zeros(len(units)))
    found.left_out.update(crossed=len(crossed), immature=len(exposed) - len(mature) - len(crossed))
    found.left_out.update(contested=heard.contested, repeated=heard.repeated, unusable=heard.unusable)
    place = {unit: number for number, unit in enumerate(units)}
    for asked in heard.asked.values():
        since = mature.get(asked.unit)
        if since is not None and since <= asked.at <= since + span:
            found.requests[place[asked.unit]] += 1
    for metric in metrics:
        reports = {request: each for request, each in heard.outcomes[metric.name].items() if each.at >= first}
        counted = _within(heard, reports, exposed, mature, span, found.left_out)
        found.values[metric.name] = _summed(metric, counted, place)
        if before is not None:
            found.before[metric.name] = _past(heard, metric, place, before, period.start)
    return found


def _exposures(heard: Heard, experiment: str, period: Period) -> tuple[dict[str, Asked], set[str]]:
    """The first request of each entity in the experiment, and the entities that were seen in two arms."""
    first, last = microseconds(period.start), microseconds(period.until)
    exposed: dict[str, Asked] = {}
    crossed = set()
    for asked in heard.asked.values():
        if asked.at < first or asked.at >= last or (experiment and asked.experiment != experiment):
            continue
        known = exposed.get(asked.unit)
        if known is not None and known.arm != asked.arm and experiment:
            crossed.add(asked.unit)
        if known is None or asked.at < known.at:
            exposed[asked.unit] = asked
    return exposed, crossed


def _within(
    heard: Heard,
    reports: Mapping[str, Reported],
    exposed: Mapping[str, Asked],
    mature: Mapping[str, int],
    span: int,
    left_out: Counter[str],
) -> Iterator[tuple[str, float]]:
    """The outcomes that count, with their entities; why the others do not is counted."""
    for request, report in reports.items():
        asked = heard.asked.get(request)
        if asked is None:
            left_out["unknown"] += 1
        elif asked.unit not in exposed:
            left_out["outside"] += 1
        elif asked.at < exposed[asked.unit].at or report.at < asked.at:
            left_out["before"] += 1
        elif report.at > exposed[asked.unit].at + span:
            left_out["late"] += 1
        elif asked.unit in mature:
            yield asked.unit, report.value


def _summed(metric: Metric, counted: Iterator[tuple[str, float]], place: Mapping[str, int]) -> Floats:
    values = np.zeros(len(place))
    for unit, value in counted:
        if unit in place:
            values[place[unit]] += value if metric.kind == "continuous" else value > 0
    return np.minimum(values, 1.0) if metric.kind == "binary" and metric.per == "entity" else values


def _past(heard: Heard, metric: Metric, place: Mapping[str, int], since: datetime, start: datetime) -> Floats:
    """The metric of the time before the start, as it was known at the start: no assignment can have changed it."""
    first, last = microseconds(since), microseconds(start)
    requests = np.zeros(len(place))
    for asked in heard.asked.values():
        if first <= asked.at < last and asked.unit in place:
            requests[place[asked.unit]] += 1
    reports = heard.outcomes[metric.name].items()
    known = ((heard.asked[request], report) for request, report in reports if request in heard.asked and report.at < last)
    values = _summed(metric, ((asked.unit, report.value) for asked, report in known if first <= asked.at < last), place)
    weight = requests if metric.per == "request" else np.ones(len(place))
    return np.where(requests > 0, values / np.maximum(weight, 1.0), np.nan)
