"""Lists: NDCG as scikit-learn has it, queries that say nothing, labels that are none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.core.spec import Ranking
from include.problems.of import problem_of
from include.problems.truth import Truth

PROBLEM = problem_of(Ranking(query="user", item="film", at=2))


def test_a_table_says_which_rows_are_one_list() -> None:
    table = pa.table({"user": ["a", "b", "a"], "film": ["x", "x", "y"], "liked": [1, 0, 0], "event_timestamp": [0, 0, 0]})
    table = table.set_column(3, "event_timestamp", pa.array([0, 0, 0], pa.timestamp("us")))
    truth = PROBLEM.truth(table, "liked")
    assert truth.query is not None
    assert (truth.query[0] == truth.query[2], truth.query[0] == truth.query[1]) == (True, False)
    with pytest.raises(DataError, match="no column 'user'"):
        PROBLEM.truth(table.drop_columns("user"), "liked")


def test_queries_that_say_nothing_are_counted_and_left_out() -> None:
    # query 0: one candidate; 1: none relevant; 2: tells an order
    truth = Truth(np.array([1.0, 0, 0, 1, 0]), query=np.array([0, 1, 1, 2, 2]))
    scores = np.array([0.0, 0, 1, 2, 1])
    assert PROBLEM.units(truth) == 1
    assert PROBLEM.measure(truth, scores) == {"ndcg": 1.0, "recall": 1.0, "mrr": 1.0, "map": 1.0}
    assert PROBLEM.loss(truth, scores).tolist() == [0, 0, 0, 0, 0]
    assert PROBLEM.loss(truth, -scores)[3] == pytest.approx(1 - 1 / np.log2(3))
    assert "1 of 3 queries tell an order (1 have one candidate, 1 none" in PROBLEM.too_few(truth, 20)


def test_labels_that_are_no_relevance_are_refused() -> None:
    with pytest.raises(DataError, match="must be 0 or more"):
        PROBLEM.encode(pa.chunked_array([[1.0, -1.0]]), "liked")
    for value in ("1", None, -1, float("inf")):
        with pytest.raises(DataError, match="relevance"):
            PROBLEM.read_label(value)
