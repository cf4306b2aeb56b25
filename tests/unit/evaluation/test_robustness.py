"""Disturbed inputs: what is changed, on which rows, and what is computed of them again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from include.core.spec import Feature, Features, Ranking, Robustness, View
from include.evaluation.robustness import UNSEEN, tried
from include.problems.of import PLAIN, problem_of
from include.problems.truth import Truth
from include.step_values.robustness import RobustnessValue

ROWS = 600
WEATHER = View(name="weather", keys=("k",), features=(Feature(name="wind"), Feature(name="rain", dtype="int")))
FEATURES = Features(
    build="m:b", entities="m:e", labels="m:l", views=(WEATHER,),
    request=(Feature(name="carrier", dtype="category"), Feature(name="twice", expression="wind * 2")),
)  # fmt: skip


def drawn() -> tuple[pa.Table, Truth]:
    draw = np.random.default_rng(3)
    wind = draw.normal(size=ROWS)
    labels = (draw.random(ROWS) < 1 / (1 + np.exp(-2 * wind))).astype(np.float64)
    start = datetime.fromisoformat("2024-01-01")
    times = pa.array([start + timedelta(hours=n) for n in range(ROWS)], pa.timestamp("us"))
    rain, carrier = draw.integers(0, 9, ROWS), ["A", "B"] * (ROWS // 2)
    table = pa.table({"event_timestamp": times, "wind": wind, "rain": rain, "carrier": carrier, "twice": 2 * wind})
    return table, Truth(labels, None, np.arange(ROWS) // 24)


class Scored:
    """A model of the computed feature alone, which keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[pa.Table] = []

    def __call__(self, rows: pa.Table) -> Any:
        self.asked.append(rows)
        twice = np.nan_to_num(rows["twice"].cast(pa.float64()).to_numpy(zero_copy_only=False))
        return 1 / (1 + np.exp(-twice))


def run(score: Any, **spec: Any) -> RobustnessValue:
    table, truth = drawn()
    return tried(table, truth, score, FEATURES, PLAIN, "auc", Robustness(**{"noise": (0.1,), **spec}))


def test_what_is_computed_of_a_request_is_computed_anew() -> None:
    score = Scored()
    value = run(score)
    falls = {(each["what"], each["on"]): each["fall"] for each in value["trials"]}
    assert falls["missing", "wind"] == falls["view missing", "weather"] > 0.2
    assert falls["missing", "rain"] == falls["unknown category", "carrier"] == 0
    assert falls["ten times", "wind"] == falls["a tenth", "wind"] == 0  # the order of rows is what an AUC is of
    assert 0 <= abs(falls["noise", "0.1"] or 1) < 0.02
    assert [each["on"] for each in value["trials"]][:2] == ["wind", "weather"]
    assert "where wind is missing" in value["words"]
    unseen = [rows for rows in score.asked if rows["carrier"].to_pylist() == [UNSEEN] * ROWS]
    assert len(unseen) == 1


def test_whole_numbers_stay_whole() -> None:
    score = Scored()
    run(score)
    rains = [rows["rain"] for rows in score.asked]
    assert {str(each.type) for each in rains} == {"int64"}
    assert max(max(each.drop_null().to_pylist(), default=0) for each in rains) == 80


def test_the_same_seed_draws_the_same_rows_and_noise() -> None:
    one, other = run(Scored(), rows=200), run(Scored(), rows=200)
    assert one == other
    assert one["rows"] == 200
    assert run(Scored(), rows=200, seed=8)["base"] != one["base"]


def test_a_view_whose_loss_costs_too_much_is_missed_beyond_chance_alone() -> None:
    assert "the view weather is missing" in run(Scored(), limit=0.05)["missed"][0]
    assert run(Scored(), limit=0.5)["missed"] == []
    few = run(Scored(), limit=0.39, rows=200)
    assert next(each["fall"] for each in few["trials"] if each["what"] == "view missing") > 0.39
    assert few["missed"] == []


def test_outputs_that_are_none_are_a_finding_and_no_end() -> None:
    def score(rows: pa.Table) -> Any:
        wind = rows["wind"].cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.where(np.isfinite(wind), 1 / (1 + np.exp(-wind)), np.nan)

    value = run(score, limit=0.05)
    assert (value["trials"][0]["fall"], value["trials"][0]["metric"]) == (None, None)
    assert "outputs that are not finite" in value["trials"][0]["words"]
    assert "not finite" in value["missed"][0]


def test_lists_stay_whole() -> None:
    table, truth = drawn()
    lists = Truth(truth.labels, None, truth.day, np.arange(ROWS) // 6)
    problem = problem_of(Ranking(query="session", item="wind"))
    value = tried(table, lists, Scored(), FEATURES, problem, "ndcg", Robustness(rows=200))
    assert value["rows"] == 198
