"""Rows as `collect` writes them, as arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from include.core.spec import Binary, Costs, MultiClass, Ranking
from include.monitoring.performance.known_rows import labels, said, truth
from include.problems.of import problem_of

TIMES = pa.array([0, 86_400_000_000, 0], pa.timestamp("us"))


def test_classes_are_places_and_unknown_or_missing_ones_are_no_labels() -> None:
    problem = problem_of(MultiClass(classes=("x", "y")))
    table = pa.table({"label": ["y", None, "z"], "score": [0.5, 0.5, 0.5], "outputs": [[0.4, 0.6], None, [1.0]]})
    assert labels(table, problem)[0] == 1
    assert np.isnan(labels(table, problem)[1:]).all()
    outputs = said(table, problem)
    assert outputs[0].tolist() == [0.4, 0.6]
    assert np.isnan(outputs[1:]).all()


def test_days_costs_and_lists() -> None:
    table = pa.table({"label": [1, 0, None], "event_time": TIMES, "owed": [1, 2, 3], "user": ["a", "b", "a"]})
    costly = truth(table, problem_of(Binary(costs=Costs(false_positive=1, false_negative="owed"))))
    assert costly.day is not None
    assert (costly.day.tolist(), costly.costs["owed"].tolist()) == ([0, 1, 0], [1, 2, 3])
    listed = truth(table, problem_of(Ranking(query="user", item="film")))
    assert listed.query is not None
    assert listed.query[0] == listed.query[2] != listed.query[1]
