"""Inputs that hold the answer: found one by one, whatever way they hold it."""

from __future__ import annotations

import numpy as np
import pytest

from include.evaluation.leakage import leaking_inputs, warnings
from include.evaluation.report import _warnings
from include.problems.of import PLAIN
from include.problems.truth import Truth
from tests.support.problem_draws import drawn

CHANCE = np.random.default_rng(3)
LABELS = (CHANCE.random(2000) < 0.3).astype(np.float64)
NOISE = CHANCE.random(2000)


def found(column: np.ndarray, *, category: bool = False) -> list[str]:
    rows = np.column_stack([NOISE, column]).astype(np.float32)
    half = len(rows) // 2
    known, truth = Truth(LABELS[:half]), Truth(LABELS[half:])
    made = leaking_inputs(["noise", "x"], [1] if category else [], rows[:half], known, rows[half:], truth, PLAIN)
    return [each["input"] for each in made]


def test_the_label_itself_upside_down_or_as_what_is_missing() -> None:
    assert found(LABELS) == found(1 - LABELS) == ["x"]
    assert found(np.where(LABELS == 1, np.nan, NOISE)) == found(np.where(LABELS == 0, np.nan, NOISE)) == ["x"]


def test_a_category_whose_codes_tell_it() -> None:
    codes = np.where(LABELS == 1, CHANCE.choice([1, 4, 6], 2000), CHANCE.choice([0, 2, 3, 5], 2000))
    assert found(codes, category=True) == ["x"]
    assert found(CHANCE.integers(0, 7, 2000), category=True) == []


def test_a_good_input_is_no_finding() -> None:
    assert found(LABELS + 2 * CHANCE.random(2000)) == []


def test_one_class_says_nothing() -> None:
    rows = np.ones((10, 1), dtype=np.float32)
    truth = Truth(np.ones(10))
    assert leaking_inputs(["x"], [], rows, truth, rows, truth, PLAIN) == []


@pytest.mark.parametrize("kind", ["regression", "multiclass", "ranking"])
def test_an_input_that_holds_the_answer_of_another_problem_is_found_and_a_good_one_is_not(kind: str) -> None:
    problem, truth, outputs = drawn(kind, rows=600)
    side = problem.sides(truth)[-1]
    rows = np.column_stack([problem.summary(outputs), np.where(side > side.mean(), -3 * side, -side)]).astype(np.float32)
    half = np.arange(600) < 300
    found = leaking_inputs(["good", "x"], [], rows[half], truth.take(half), rows[~half], truth.take(~half), problem)
    assert [each["input"] for each in found] == ["x"]
    assert found[0]["words"] == problem.alone_words
    assert f"x alone predicts the label with {problem.alone_words} of" in warnings(found)[0]


def test_it_stands_at_the_head_of_the_report() -> None:
    shown = _warnings(warnings([{"input": "x<y", "auc": 0.991}]))
    assert "may hold their own answer" in shown
    assert "x&lt;y alone predicts the label with an AUC of 0.991" in shown
    assert _warnings([]) == ""
