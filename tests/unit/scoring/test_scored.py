from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.core.partition import Partition
from include.core.request import Ref
from include.core.spec import Binary, Costs, ModelSpec, MultiClass, Ranking, Regression
from include.data.window import moment
from include.problems.of import problem_of
from include.scoring.request import score_request
from include.scoring.scored import placed, schema, table
from tests.support.synthetic_predictions import spec

ROWS = pa.table(
    {
        "request_id": ["a", "b", "c", "d"],
        "event_timestamp": pa.array([moment("2013-04-01")] * 4, pa.timestamp("us")),
        "amount": [1.0, 100.0, None, -5.0],
        "user": ["u", "v", "u", "u"],
    }
)


def scored(problem: Any, outputs: Any) -> pa.Table:
    made = problem_of(problem)
    found = table(made, ROWS, np.array(outputs, np.float32), 7)
    assert found.schema == schema(made)
    assert found["version"].to_pylist() == [7] * 4
    return found


def test_a_plain_binary_model_gives_scores_alone() -> None:
    found = scored(Binary(), [0.25, 0.5, 0.75, 1])
    assert found.column_names == ["request_id", "event_timestamp", "score", "version"]
    assert found["score"].to_pylist() == [0.25, 0.5, 0.75, 1.0]


def test_costs_decide_row_by_row_and_the_threshold_where_they_are_none() -> None:
    found = scored(Binary(costs=Costs(false_positive=1.0, false_negative="amount")), [0.25, 0.25, 0.75, 0.25])
    assert found["decision"].to_pylist() == [0, 1, 1, 0]


def test_a_number_has_its_interval_beside_it() -> None:
    found = scored(Regression(scale=5, interval=0.9), [[1, 0, 2], [3, 2, 4], [5, 4, 6], [7, 6, 8]])
    assert [found[name].to_pylist() for name in ("value", "low", "high")] == [[1, 3, 5, 7], [0, 2, 4, 6], [2, 4, 6, 8]]


def test_classes_have_their_names_and_the_probability_of_each() -> None:
    found = scored(MultiClass(classes=("version", "1")), [[0.25, 0.75], [0.5, 0.5], [1, 0], [0, 1]])
    assert found["class"].to_pylist() == ["1", "version", "version", "1"]
    assert found["probabilities"].to_pylist()[0] == {"version": 0.25, "1": 0.75}


def test_candidates_have_their_place_in_the_list_of_their_query() -> None:
    found = placed(scored(Ranking(query="user", item="film"), [1, 5, 3, 3]), ROWS, "user")
    assert found["place"].to_pylist() == [3, 1, 1, 2]
    assert found.column_names == ["request_id", "event_timestamp", "score", "place", "version"]


def test_places_of_no_rows_are_none() -> None:
    empty = ROWS.slice(0, 0)
    problem = problem_of(Ranking(query="user", item="film"))
    assert placed(table(problem, empty, np.empty(0, np.float32), 7), empty, "user").num_rows == 0


@pytest.mark.parametrize(
    ("problem", "outputs", "says"),
    [
        (Binary(), [0.5, np.nan, 0.5, 0.5], "not finite"),
        (Binary(), [0.5, 1.5, 0.5, 0.5], "where a probability is needed"),
        (MultiClass(classes=("a", "b")), [[0.5, 0.75]] * 4, "add up to 1"),
        (Regression(scale=5, interval=0.9), [1.0] * 4, "outputs of shape"),
    ],
)
def test_outputs_that_are_none_of_the_problems_are_not_written(problem: Any, outputs: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        scored(problem, outputs)


def asked(model: ModelSpec, version: Any) -> dict[str, Any]:
    return dict(score_request(model, Partition.of_day(date(2013, 4, 1)), version, {}).params)


def test_a_request_says_its_problem_only_where_scores_depend_on_it() -> None:
    class Version:
        version = 7

        class entry:  # noqa: N801
            class lineage:  # noqa: N801
                train = Ref("ledger/train/x/g1/result.json", "d", "train")

    plain = asked(spec(), Version)
    assert sorted(plain) == ["day", "features", "version"]
    assert asked(spec(problem=Binary(alerts=100)), Version) == plain
    classes = asked(spec(problem=MultiClass(classes=("a", "b")), label="late"), Version)
    assert (classes["problem"]["kind"], classes["threshold"]) == ("multiclass", 0.5)
