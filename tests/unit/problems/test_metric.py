"""Every metric of every kind: its influence is what a row's weight does to it, and its error is what repetition shows."""

from __future__ import annotations

import numpy as np
import pytest

from include.core.spec import Binary
from include.metrics.errors import influence
from include.problems.of import problem_of
from include.problems.truth import Truth
from tests.support.problem_draws import KINDS, drawn, slope

CAUTIOUS = ("recall_at_alerts", "bias", "coverage", "ece")  # the number of alerts is fixed; sizes are folded at 0
EVERY = [(kind, name) for kind, value in KINDS.items() for name in value.metric_names]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_an_influence_is_the_derivative_by_the_weight(kind: str, name: str) -> None:
    problem, truth, outputs = drawn(kind)
    metric = problem.metric(name)
    found = metric.influence(truth, outputs)
    for row in range(0, len(truth), 17):
        assert found.rows[row] == pytest.approx(slope(metric, truth, outputs, row), abs=2e-7)
    assert found.rows.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_equal_weights_change_nothing(kind: str, name: str) -> None:
    problem, truth, outputs = drawn(kind)
    even = Truth(truth.labels, np.full(len(truth), 3.0), truth.day, truth.query, truth.costs)
    plain, weighted = (problem.metric(name).influence(each, outputs) for each in (truth, even))
    assert weighted.value == pytest.approx(plain.value)
    assert weighted.rows == pytest.approx(plain.rows)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_standard_error_is_the_spread_of_repetitions(kind: str, name: str) -> None:
    problem, truth, outputs = drawn(kind)
    found = [problem.metric(name).influence(*drawn(kind, seed, rows=1200)[1:]) for seed in range(2, 62)]
    spread = np.std([each.value for each in found], ddof=1)
    error = np.mean([each.row_error() for each in found])
    assert 0.7 < error / spread < (4 if name in CAUTIOUS else 1.4)
    assert problem.measure(truth, outputs)[name] == pytest.approx(problem.metric(name).measured(truth, outputs), abs=1e-6)


def test_a_weight_is_so_many_rows() -> None:
    for kind, name in EVERY:
        problem, truth, outputs = drawn(kind, rows=60)
        if problem.value.kind in ("ranking",) or name.endswith("_at_alerts"):
            continue  # a list counts once, and so do the highest of a day
        twice = np.repeat(np.arange(60), np.where(np.arange(60) % 3 == 0, 2, 1))
        weight = np.where(np.arange(60) % 3 == 0, 2.0, 1.0)
        weighted = Truth(truth.labels, weight, truth.day, truth.query, truth.costs)
        repeated = problem.metric(name).influence(truth.take(twice), outputs[twice]).value
        assert problem.metric(name).influence(weighted, outputs).value == pytest.approx(repeated), name


def test_a_plain_binary_problem_measures_what_the_metrics_of_a_score_measure() -> None:
    _, truth, outputs = drawn("binary")
    problem = problem_of(Binary(), threshold=0.4)
    for name in ("auc", "log_loss", "brier", "ece", "accuracy", "precision", "recall", "f1"):
        ours, theirs = problem.influence(name, truth, outputs), influence(name, truth.labels, outputs, 0.4)
        assert ours.value == theirs.value
        assert (ours.rows == theirs.rows).all()
