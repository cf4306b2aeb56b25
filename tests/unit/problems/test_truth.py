"""Rows of a table, as what is known of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.core.spec import Binary, Costs
from include.problems.of import problem_of
from include.problems.truth import Truth

PROBLEM = problem_of(Binary(weight="w", costs=Costs(false_positive=1, false_negative="owed")))
TABLE = pa.table({"y": [0, 1], "w": [1.0, 2.0], "owed": [3, 4], "event_timestamp": pa.array([0, 1], pa.timestamp("us"))})


def test_a_table_gives_labels_weights_days_and_costs() -> None:
    truth = PROBLEM.truth(TABLE, "y")
    assert truth.weight is not None
    assert truth.day is not None
    assert (truth.labels.tolist(), truth.weight.tolist(), truth.day.tolist()) == ([0, 1], [1, 2], [0, 0])
    some = truth.take(np.array([False, True]))
    assert (some.labels.tolist(), some.weights.tolist(), some.costs["owed"].tolist()) == ([1], [2], [4])
    assert Truth(np.zeros(3)).weights.tolist() == [1, 1, 1]


def test_rows_without_labels_are_refused() -> None:
    for table in (TABLE.drop_columns("y"), TABLE.slice(0, 0), TABLE.set_column(0, "y", pa.array([None, 1]))):
        with pytest.raises(DataError, match="rows with the label 'y'"):
            PROBLEM.truth(table, "y")


def test_rows_of_two_sides_are_one_and_their_lists_stay_apart() -> None:
    one = Truth(np.array([1.0, 0.0]), day=np.array([3, 3]), query=np.array([0, 1]), costs={"fee": np.array([1.0, 2.0])})
    two = Truth(np.array([1.0]), day=np.array([4]), query=np.array([0]), costs={"fee": np.array([3.0])})
    both = one.joined(two)
    assert both.labels.tolist() == [1, 0, 1]
    assert both.query is not None
    assert len(np.unique(both.query)) == 3
    assert both.costs["fee"].tolist() == [1, 2, 3]
    assert Truth(np.zeros(2), weight=np.ones(2)).joined(Truth(np.zeros(1))).weight is None
