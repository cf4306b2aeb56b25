"""The champion's losses, which a stage's limits of errors are taken from."""

from __future__ import annotations

import numpy as np
import pytest

from include.core.spec import Binary, Costs, MultiClass, Ranking, Regression
from include.prediction_log.record import Record
from include.problems.of import problem_of
from include.problems.problem import Problem
from include.rollout.baseline import BASELINE, KEPT, LABELS, Baseline

NUMBERS = problem_of(Regression(scale=10.0))


def labelled(baseline: Baseline, problem: Problem, errors: list[float]) -> None:
    for error in errors:
        request = f"r{baseline.requests}"
        baseline.add(Record("prediction", request, "", score=100.0, unit="1"), problem)
        baseline.add_label(Record("label", request, "", label=100.0 + error), problem)


def test_large_errors_are_the_champions_own_quantiles() -> None:
    baseline, errors = Baseline(), list(np.random.default_rng(1).standard_t(2, 500))
    labelled(baseline, NUMBERS, errors)
    limits = baseline.limits(0.0, NUMBERS)
    assert limits["loss_p50"] == pytest.approx(np.quantile(np.abs(errors), 0.5), rel=1e-4)
    assert limits["loss_p90"] == pytest.approx(np.quantile(np.abs(errors), 0.9), rel=1e-4)
    assert Baseline.from_json(baseline.to_json()) == baseline


def test_while_few_losses_are_known_the_size_that_matters_by_the_spec_is_the_limit() -> None:
    baseline = Baseline()
    labelled(baseline, NUMBERS, [1.0] * (LABELS - 1))
    assert baseline.limits(0.0, NUMBERS) == {"loss_p50": 10.0}
    labelled(baseline, NUMBERS, [1.0])
    assert baseline.limits(0.0, NUMBERS) == {"loss_p50": 1.0}


def test_answers_without_a_loss_have_no_say_in_its_size() -> None:
    costs = problem_of(Binary(costs=Costs(false_positive=2.0, false_negative="amount")))
    baseline = Baseline()
    for number in range(1000):
        record = Record("prediction", str(number), "", score=0.01, unit="1", features={"amount": float(number)})
        baseline.add(record, costs)
        baseline.add_label(Record("label", str(number), "", label=float(number >= 900)), costs)
    # Yes is said from about an amount of 200 on: those are wrong at a cost of 2, and no miss is left.
    assert baseline.limits(0.0, costs)["loss_p50"] == 2.0
    assert "loss_p90" not in baseline.limits(0.0, costs)
    assert Baseline().limits(0.0, costs) == {"loss_p50": 0.0}


def test_a_label_of_nobodys_answer_or_of_an_unknown_class_adds_nothing() -> None:
    baseline = Baseline()
    baseline.add_label(Record("label", "before the rollout", "", label=3.0), NUMBERS)
    for unit in ("1", "2"):
        baseline.add(Record("prediction", "contested", "", score=1.0, unit=unit), NUMBERS)
    baseline.add_label(Record("label", "contested", "", label=3.0), NUMBERS)
    assert (baseline.labels, baseline.losses) == (2, [])
    classes = problem_of(MultiClass(classes=("a", "b"), costs=((0, 1), (3, 0))))
    baseline.add(Record("prediction", "r", "", score=0.9, decision=0, unit="1"), classes)
    baseline.add_label(Record("label", "r", "", label_class="gone"), classes)
    assert baseline.losses == []


def test_memory_is_bounded_and_a_plain_binary_model_remembers_no_answer() -> None:
    baseline = Baseline()
    labelled(baseline, NUMBERS, [1.0] * (3 * KEPT))
    assert len(baseline.losses) <= 2 * KEPT
    assert baseline.pending.answers == {}
    plain = Baseline()
    plain.add(Record("prediction", "r", "", score=0.5), problem_of(Binary()))
    plain.add_label(Record("label", "r", "", label=1.0), problem_of(Binary()))
    assert (plain.pending.answers, plain.labels, plain.losses) == ({}, 1, [])


def test_scores_of_a_ranking_have_no_tails_and_small_numbers_keep_their_digits() -> None:
    ranking = problem_of(Ranking(query="q", item="i"))
    for problem, names in ((ranking, set()), (NUMBERS, {"score_low", "score_high"})):
        baseline = Baseline()
        for number in range(BASELINE):
            baseline.add(Record("prediction", str(number), "", score=1e-8 * number, place=number), problem)
        assert {name for name in baseline.limits(0.0, problem) if name.startswith("score")} == names
        assert baseline.scores[3] == 3e-8
