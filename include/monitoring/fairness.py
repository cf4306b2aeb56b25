"""How groups of people were treated in a window, by the champion's own answers: as on its holdout, with the same limits.

Who is selected needs no label. What needs one waits until enough have landed, for early labels are often another kind; a window
before, whose labels have become enough since the last check, is told then (`late`).

A window is looked at every week, and each look may accuse by chance. So one window alone is no alarm: a limit counts once it is
shown to be missed in as many windows in a row as drift or a drop needs (`retraining.consecutive`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.core.spec import Fairness
from include.data.window import moment
from include.fairness.assess import Rows, assess
from include.metrics.arrays import Bools
from include.monitoring.people import LANDED, PERSON
from include.monitoring.performance.known_rows import said, truth
from include.monitoring.performance.realised import RealisedPerformance
from include.problems.problem import Problem
from include.problems.truth import Truth
from include.step_values.fairness import FairnessValue
from include.step_values.monitoring import MonitorValue, WatchedFairness

Missed = Sequence[str]
"""Limits that were shown to be missed, each by `limit_name`."""


def watched(
    predictions: pa.Table,
    earlier: pa.Table,
    people: pa.Table,
    mine: tuple[Bools, Bools],
    known: RealisedPerformance,
    problem: Problem,
    params: Mapping[str, Any],
) -> WatchedFairness:
    """`people`: see people.py, of the window and those before. `mine`: which rows of either the champion answered in full.

    `params`: the step's; `fairness`, the spec's section, `consecutive`, and `fairness_before`, the limits missed in the
    champion's earlier windows, newest last.
    """
    spec = Fairness.model_validate(params["fairness"])
    own = predictions.filter(pa.array(mine[0]))
    here = _beside(own, people)
    found = _assess(own, here, spec, problem, labels=known.landing.enough)
    unlanded = int(pc.sum(pc.invert(here[LANDED])).as_py() or 0)
    # mypy sees keys that are not required missing in what a FairnessValue brings, which has none of them.
    value: WatchedFairness = {**found, "labels": known.landing.enough, "unlanded": unlanded, "alarm": []}  # type: ignore[typeddict-item]
    stretch = known.performance.window
    if stretch:
        late = _within(earlier.filter(pa.array(mine[1])), stretch)
        if late.num_rows:
            value["late"] = _assess(late, _beside(late, people), spec, problem, labels=True)
            value["late_window"] = stretch
    value["alarm"] = _alarm(missed_in(value), params.get("fairness_before", ()), int(params["consecutive"]))
    value["words"] = _words(value)
    return value


def missed_in(value: WatchedFairness) -> list[str]:
    """The limits that a window, or a late one told with it, shows to be missed."""
    parts: list[FairnessValue] = [value, *([value["late"]] if "late" in value else [])]
    found = (limit_name(each) for part in parts for each in part["limits"] if each["verdict"] == "missed")
    return list(dict.fromkeys(found))


def limit_name(limit: Mapping[str, Any]) -> str:
    """`demographic_parity_ratio of sex`."""
    return f"{limit['measure']} of {limit['attribute']}"


def before(values: Mapping[str, MonitorValue], champion: int | None, start: str) -> list[list[str]]:
    """The limits missed in each window of the same champion that ended by `start` (ISO), oldest first. Windows that did not look
    are passed over. `values`: window name to `monitor` value."""
    until = moment(start)
    own = [
        value
        for value in values.values()
        if "fairness" in value and _champion(value) == champion and moment(value["as_of"]) <= until
    ]
    return [missed_in(value["fairness"]) for value in sorted(own, key=lambda each: moment(each["as_of"]))]


def _champion(value: MonitorValue) -> int | None:
    return value["champion"]["version"] if value["champion"] else None


def _alarm(missed: Missed, past: Sequence[Missed], consecutive: int) -> list[str]:
    """Those that so many windows in a row have shown, this one the last."""
    needed = past[len(past) - (consecutive - 1) :] if consecutive > 1 else []
    if len(needed) < consecutive - 1:
        return []
    return [name for name in missed if all(name in window for window in needed)]


def _beside(rows: pa.Table, people: pa.Table) -> pa.Table:
    """The rows of `people` for these requests, in their order; what is not there is not known."""
    places = pc.index_in(rows["request_id"], value_set=people["request_id"].combine_chunks())
    return people.take(places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places)


def _assess(rows: pa.Table, people: pa.Table, spec: Fairness, problem: Problem, *, labels: bool) -> FairnessValue:
    known = truth(rows, problem)
    if not labels:
        known = Truth(np.full(len(known), np.nan), None, known.day, known.query, known.costs)
    whose = () if people[PERSON].null_count == people.num_rows else (PERSON,)
    asked = spec.model_copy(update={"person": whose})
    return assess(Rows(people, known, said(rows, problem)), asked, problem, ())


def _within(rows: pa.Table, stretch: str) -> pa.Table:
    start, end = map(moment, stretch.split("/"))
    times = rows["event_time"].cast(pa.timestamp("us"))
    inside = pc.and_(pc.greater_equal(times, pa.scalar(start)), pc.less(times, pa.scalar(end)))
    return rows.filter(inside)


def _words(value: WatchedFairness) -> str:
    wait = "" if value["labels"] else " What needs labels waits for them."
    lost = f" Of {value['unlanded']:,} answers the entity rows have not landed." if value["unlanded"] else ""
    late = (
        f" {value['late_window'].replace('/', ' to ')}, late labels landed: {value['late']['words']}" if "late" in value else ""
    )
    alarm = f" Missed in as many windows in a row as it takes: {', '.join(value['alarm'])}." if value["alarm"] else ""
    return f"{value['words']}{alarm}{wait}{lost}{late}"
