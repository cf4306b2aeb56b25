"""What is said of the power beforehand comes from the traffic of the weeks before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from include.experiments.planning import UNKNOWN, make_plan, words
from include.routing.route import Route
from tests.support.experiment_log import MODEL, START, TRIAL, Behaviour, changed, traffic, write

BEFORE = START - timedelta(weeks=1, hours=12)


def test_the_last_week_is_what_is_planned_with(tmp_path: Path) -> None:
    write(tmp_path, traffic(Behaviour(sale=(0.3, 0.3)), Route(champion=1), BEFORE, 7))
    made = make_plan(tmp_path, MODEL, changed(weeks=2, traffic=50), START)
    assert made.planned == 700  # half of 700 entities, for two weeks
    assert made.promise is not None
    assert made.promise.power == pytest.approx(0.72, abs=0.1)
    text = " ".join(words(made))
    assert "2 weeks of traffic, 700 entities" in text
    assert "That is less than the 80% that the spec asks for" in text


def test_without_traffic_nothing_is_promised(tmp_path: Path) -> None:
    made = make_plan(tmp_path, MODEL, TRIAL, START)
    assert (made.promise, made.planned) == (None, UNKNOWN)
    assert words(made) == ["Nothing is known of the traffic before the start, so nothing can be said of the power."]


def test_of_a_constant_metric_nothing_is_promised(tmp_path: Path) -> None:
    write(tmp_path, traffic(Behaviour(sale=(0.0, 0.0)), Route(champion=1), BEFORE, 7))
    assert make_plan(tmp_path, MODEL, TRIAL, START).promise is None
