"""What is remembered of an answer, and what its label makes of it; the same loss as over arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from include.core.spec import Binary, Costs, MultiClass, Ranking, Regression
from include.prediction_log.record import Record
from include.problems.events import Event
from include.problems.of import problem_of
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth
from tests.support.problem_draws import drawn


def answered(**fields: Any) -> Record:
    return Record("prediction", "r", "", **fields)


def test_each_row_loses_what_it_loses_among_others() -> None:
    """Of every kind with a loss a row: a number remembered of the log's record gives the loss of the arrays."""
    for kind in ("binary", "regression", "multiclass"):
        problem, truth, outputs = drawn(kind)
        found = [_loss(problem, truth, outputs, row) for row in range(len(truth))]
        assert found == pytest.approx(list(problem.loss(truth, outputs)), abs=1e-6), kind


def _loss(problem: Problem, truth: Truth, outputs: Outputs, row: int) -> float:
    several = outputs.ndim > 1
    record = answered(
        score=float(problem.summary(outputs[row : row + 1])[0]),
        outputs=[float(each) for each in outputs[row]] if several else None,
        features={name: float(values[row]) for name, values in truth.costs.items()},
    )
    remembered = problem.remembered(record)
    assert remembered is not None
    return problem.loss_of(remembered, float(truth.labels[row]))


def test_a_relevant_item_below_the_first_places_is_lost() -> None:
    ranking = problem_of(Ranking(query="q", item="i", at=3))
    assert ranking.remembered(answered(score=2.5)) is None
    losses = [ranking.loss_of(float(place), relevance) for place, relevance in ((2, 1), (3, 1), (3, 0), (9, 2.5))]
    assert losses == [0, 1, 0, 1]
    assert ranking.remembered(answered(score=2.5, place=4)) == 4.0


def test_the_models_own_decision_is_judged_and_not_one_that_was_drawn_at_random() -> None:
    dear = problem_of(Binary(costs=Costs(false_positive=1.0, false_negative="amount")))
    told = {"score": 0.2, "features": {"amount": 50.0}}
    assert dear.remembered(answered(**told)) == 1.0  # yes: it would cost 1
    assert dear.remembered(answered(**told, decision=0)) == -50.0
    assert dear.remembered(answered(**told, decision=0, explored="random")) == 1.0
    plain = problem_of(Binary(), 0.5)
    assert plain.remembered(answered(score=0.2, decision=1, explored="random")) == 0.0
    classes = problem_of(MultiClass(classes=("a", "b")))
    drawn_at_random = {"decision": 0, "explored": "random"}
    assert classes.remembered(answered(**drawn_at_random, outputs=[0.25, 0.75])) == 1.0
    assert classes.remembered(answered(**drawn_at_random)) is None
    assert classes.remembered(answered(decision=0, explored="challenger", outputs=[0.25, 0.75])) == 0.0


def test_an_answer_whose_cost_the_log_lacks_is_judged_by_no_label() -> None:
    dear = problem_of(Binary(costs=Costs(false_positive=1.0, false_negative="amount")))
    assert dear.remembered(answered(score=0.2)) is None
    assert dear.remembered(answered(score=0.2, features={"amount": None})) is None


def test_a_class_is_known_by_its_name_and_a_decision_by_its_place() -> None:
    classes = problem_of(MultiClass(classes=("a", "b", "c")))
    assert [classes.logged_label(1.0, name) for name in ("c", "", "gone")] == [2.0, None, None]
    assert [classes.remembered(answered(decision=place)) for place in (1, 3)] == [1.0, None]
    assert (classes.loss_of(1.0, 1.0), classes.loss_of(1.0, 2.0)) == (0.0, 1.0)
    assert problem_of(Regression(scale=1.0)).logged_label(1.0, "c") is None


def mirrored(**fields: Any) -> Record:
    return Record("shadow", "r", "", **fields)


def test_how_far_a_shadow_lies_apart() -> None:
    assert problem_of(Binary()).apart(mirrored(score=0.75, against=0.5)) == 0.25
    assert problem_of(Binary()).apart(mirrored(score=0.75)) is None
    numbers = problem_of(Regression(scale=1.0, interval=0.9))
    assert numbers.apart(mirrored(score=9.0, against=4.0, outputs=[9.0, 0.0, 99.0], against_outputs=[4.0, 3.0, 5.0])) == 5.0
    classes = problem_of(MultiClass(classes=("a", "b")))
    told = {"score": 0.75, "against": 0.75, "outputs": [0.25, 0.75]}
    assert classes.apart(mirrored(**told, against_outputs=[0.75, 0.25])) == 0.5
    assert classes.apart(mirrored(**told)) is None  # how sure both are says nothing of what they decide
    assert classes.apart(mirrored(**told, against_outputs=[0.5, 0.25, 0.25])) is None
    ranking = problem_of(Ranking(query="q", item="i", at=2))
    places = [(0, 0), (5, 1), (0, 4), (7, 9), (0, None)]
    assert [ranking.apart(mirrored(score=1.0, against=9.0, place=a, against_place=b)) for a, b in places] == [
        0.0, 1.0, None, None, None,
    ]  # fmt: skip


def test_an_event_says_from_which_loss_on_it_has_happened() -> None:
    large = Event("loss_p90", "large errors", limit=90, otherwise=10.0, unit="minutes")
    assert [large.happened(loss, {"loss_p90": 3.0}) for loss in (2.9, 3.0, np.inf)] == [False, True, True]
    assert not large.happened(99.0, {})
    assert large.words({"loss_p90": 3.0}) == "large errors (3 minutes or more, the champion's p90)"
    assert large.words({"loss_p90": 10.0}) == "large errors (10 minutes or more, the size that matters by the spec)"
    dear = Event("loss_p50", "costly errors", limit=50)
    assert [dear.happened(loss, {"loss_p50": 0.0}) for loss in (0.0, 0.1)] == [False, True]
    assert dear.words({"loss_p50": 0.0}) == "costly errors (of any cost)"
    wrong = Event("loss", "wrong answers")
    assert [wrong.happened(loss, {}) for loss in (0.0, 1.0)] == [False, True]
    assert wrong.words({}) == "wrong answers"
