from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from include.data.window import moment
from include.monitoring.performance.label_delay import Delays, landing

AS_OF = moment("2013-04-08")


def requests(ages: list[float], delays: list[float | None]) -> pa.Table:
    """Requests so many hours old; their labels came so many hours later, or never."""
    events = [AS_OF - timedelta(hours=age) for age in ages]
    came: list[datetime | None] = [
        None if delay is None else event + timedelta(hours=delay) for event, delay in zip(events, delays, strict=True)
    ]
    times = [None if at is None or at > AS_OF else at for at in came]
    return pa.table({"event_time": pa.array(events, pa.timestamp("us")), "label_timestamp": pa.array(times, pa.timestamp("us"))})


def test_everything_that_came_in_time_is_enough() -> None:
    table = requests([100.0] * 50, [2.0] * 50)
    found = landing(table, Delays.of([table], AS_OF), AS_OF, 0.9)
    assert (found.share, found.coming, found.enough, found.enough_by) == (1.0, 0.0, True, "")


def test_a_label_that_never_comes_is_not_waited_for() -> None:
    table = requests([100.0] * 60, [2.0] * 40 + [None] * 20)
    delays = Delays.of([table], AS_OF)
    assert delays.ever == pytest.approx(2 / 3)
    assert landing(table, delays, AS_OF, 0.9).share == 1.0  # the open ones are older than any delay that was ever seen


def test_a_young_request_is_expected_as_the_older_ones_came() -> None:
    old = requests([200.0] * 100, [48.0] * 100)
    young = requests([10.0] * 100, [48.0] * 100)
    found = landing(pa.concat_tables([old, young]), Delays.of([old, young], AS_OF), AS_OF, 0.9)
    assert (found.landed, round(found.coming)) == (100, 100)
    assert not found.enough
    assert found.enough_by == "2013-04-09 14:00"
    assert found.summary == "50% of the labels that will come have landed; 90% are needed, expected by 2013-04-09 14:00."


def test_the_share_is_that_of_the_truth_although_half_the_window_is_open() -> None:
    rng = np.random.default_rng(0)
    ages, delays = rng.uniform(0, 168, 4000), rng.exponential(48, 4000)
    comes = rng.random(4000) < 0.8
    table = requests(ages.tolist(), [float(delay) if yes else None for delay, yes in zip(delays, comes, strict=True)])
    found = landing(table, Delays.of([table], AS_OF), AS_OF, 0.9)
    assert found.share == pytest.approx((comes & (delays <= ages)).sum() / comes.sum(), abs=0.05)


def test_without_a_label_nothing_is_known_and_nothing_is_enough() -> None:
    table = requests([5.0] * 10, [None] * 10)
    found = landing(table, Delays.of([table], AS_OF), AS_OF, 0.9)
    assert (found.share, found.enough, found.summary) == (0.0, False, "No label has landed yet.")
    empty = table.slice(0, 0)
    assert landing(empty, Delays.of([empty], AS_OF), AS_OF, 0.9).share == 0.0
