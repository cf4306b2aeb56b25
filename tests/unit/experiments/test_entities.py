"""Who counts, since when, and with what: and why an outcome does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np

from include.core.spec import Metric
from include.experiments.entities import Entities, Period, gather
from include.experiments.heard import hear
from include.prediction_log.record import Record
from tests.support.experiment_log import MODEL, SALE, START, outcome, prediction, write

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
PER_REQUEST = Metric(name="sale", per="request")
SUM = Metric(name="sale", kind="continuous")


def found(home: Path, records: list[Record], metric: Metric = SALE, days: int = 7, before: bool = False) -> Entities:
    write(home, records)
    cutoff = START + days * DAY
    heard = hear(home, MODEL, [SALE], START - WEEK, cutoff)
    return gather(heard, "x", Period(START, START + WEEK, DAY, cutoff), (metric,), START - WEEK if before else None)


def seen(who: str, moment: timedelta, arm: str = "champion", request: str = "") -> Record:
    return prediction(request or f"{who}@{moment}", who, START + moment, arm, "x")


def test_an_entity_counts_once_with_what_it_did_within_its_horizon(tmp_path: Path) -> None:
    records = [seen("ann", HOUR, request="1"), seen("ann", 2 * HOUR, request="2"), seen("ann", 2 * DAY, request="3")]
    records += [outcome(request, "sale", 2.0, START + 3 * HOUR) for request in ("1", "2")]
    for metric, value in ((SALE, 1.0), (PER_REQUEST, 2.0), (SUM, 4.0)):
        one = found(tmp_path / metric.per / metric.kind, records, metric)
        assert (one.requests.tolist(), one.values["sale"].tolist(), one.treated.tolist()) == ([2.0], [value], [False])


def test_outcomes_that_do_not_count_are_told_apart(tmp_path: Path) -> None:
    one = found(tmp_path, [
        prediction("early", "ann", START - HOUR), seen("ann", HOUR, request="1"), prediction("out", "zoe", START),
        outcome("early", "sale", 1, START + 2 * HOUR),  # of a request before the entity was in the experiment
        outcome("1", "sale", 1, START),  # before its own request
        outcome("nobody", "sale", 1, START),
        outcome("out", "sale", 1, START + HOUR),
        seen("bob", HOUR, request="2"), outcome("2", "sale", 1, START + 3 * DAY),  # late
        seen("cat", HOUR, request="3"), outcome("3", "sale", 1, START + 2 * HOUR), outcome("3", "sale", 0, START + 3 * HOUR),
    ])  # fmt: skip
    assert {name: count for name, count in one.left_out.items() if count} == {
        "before": 2, "unknown": 1, "outside": 1, "late": 1, "repeated": 1,
    }  # fmt: skip
    assert sorted(one.values["sale"].tolist()) == [0.0, 0.0, 1.0]


def test_years_late_is_never_read(tmp_path: Path) -> None:
    one = found(tmp_path, [seen("ann", HOUR, request="1"), outcome("1", "sale", 1, START + 800 * DAY)])
    assert one.values["sale"].tolist() == [0.0]


def test_an_entity_in_both_arms_is_left_out(tmp_path: Path) -> None:
    one = found(tmp_path, [seen("ann", HOUR), seen("ann", 2 * HOUR, "challenger"), seen("bob", HOUR, "challenger")])
    assert one.left_out["crossed"] == 1
    assert one.treated.tolist() == [True]


def test_who_came_lately_waits_for_the_horizon(tmp_path: Path) -> None:
    one = found(tmp_path, [seen("ann", HOUR), seen("bob", 2 * DAY)], days=2)
    assert len(one.units) == 1
    assert one.left_out["immature"] == 1


def test_the_time_before_is_what_was_known_at_the_start(tmp_path: Path) -> None:
    one = found(tmp_path, [
        prediction("old", "ann", START - 2 * DAY), outcome("old", "sale", 3.0, START - DAY),
        prediction("older", "ann", START - 3 * DAY), outcome("older", "sale", 9.0, START + HOUR),  # known too late
        seen("ann", HOUR), seen("bob", HOUR),
    ], SUM, before=True)  # fmt: skip
    known = one.before["sale"]
    assert sorted(known[~np.isnan(known)].tolist()) == [3.0]
    assert np.isnan(known).sum() == 1
