from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.evaluation.slices import ENOUGH, MINIMUM, by_slice, paired_slices
from include.metrics.paired import Difference
from include.problems.of import PLAIN
from include.problems.truth import Truth
from tests.support.problem_draws import drawn


def test_slices_are_measured_apart_and_small_ones_left_out() -> None:
    table = pa.table({"origin": ["EWR"] * 300 + ["JFK"] * 200 + ["LGA"] * 5})
    scores = np.linspace(0, 1, 505)
    labels = np.where(np.arange(505) < 300, scores > 0.3, scores < 0.8).astype(np.float64)
    rows = by_slice(table, ("origin",), PLAIN, Truth(labels), scores)
    assert [(row["value"], row["rows"]) for row in rows] == [("EWR", 300), ("JFK", 200)]
    assert rows[0]["auc"] == 1.0
    assert rows[1]["auc"] == 0.0


def test_slicing_by_an_unknown_column_names_it() -> None:
    with pytest.raises(DataError, match="'gate'"):
        by_slice(pa.table({"origin": ["EWR"]}), ("gate",), PLAIN, Truth(np.zeros(1)), np.zeros(1))


def test_a_slice_is_compared_on_its_own_rows_where_it_has_enough_of_them() -> None:
    few, one_class = MINIMUM - 1, MINIMUM + 50
    table = pa.table({"origin": ["EWR"] * 300 + ["JFK"] * few + ["LGA"] * one_class})
    labels = np.arange(table.num_rows) % 2.0
    labels[300 + few :] = 0.0
    labels[300 + few : 300 + few + ENOUGH - 1] = 1.0
    seen: list[int] = []

    def compare(chosen: np.ndarray) -> Difference:
        seen.append(int(chosen.sum()))
        return Difference(0.01, 0.002, 27, int(chosen.sum()))

    (row,) = paired_slices(table, ("origin",), PLAIN, Truth(labels), compare)
    assert (row["slice"], row["value"], row["rows"], row["worse"]) == ("origin", "EWR", 300, 0.01)
    assert seen == [300]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("regression", {"mae", "rmse"}), ("multiclass", {"log_loss", "accuracy"}), ("ranking", {"ndcg", "recall"})],
)
def test_a_slice_shows_the_first_metrics_of_its_problem(kind: str, shown: set[str]) -> None:
    problem, truth, outputs = drawn(kind, rows=300)
    table = pa.table({"side": ["left"] * 180 + ["right"] * 120})
    rows = by_slice(table, ("side",), problem, truth, outputs)
    assert [(row["value"], row["rows"]) for row in rows] == [("left", 180), ("right", 120)]
    assert set(rows[0]) == {"slice", "value", "rows", *shown}
    left = np.arange(300) < 180
    first = problem.headline[0]
    assert rows[0][first] == pytest.approx(problem.measure(truth.take(left), outputs[left])[first], abs=1e-4)
