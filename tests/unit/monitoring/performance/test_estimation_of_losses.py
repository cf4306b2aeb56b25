"""Pseudo values have the metric as their mean, and of a mean of losses they are the losses."""

from __future__ import annotations

import numpy as np
import pytest

from include.monitoring.performance.estimation_of_losses import expected_loss, pseudo_values
from tests.support.problem_draws import drawn


def test_pseudo_values_are_the_losses_of_a_mean() -> None:
    problem, truth, outputs = drawn("regression")
    assert pseudo_values(problem.influence("mae", truth, outputs)) == pytest.approx(problem.loss(truth, outputs))
    for name in problem.metrics:
        found = problem.influence(name, truth, outputs)
        assert pseudo_values(found).mean() == pytest.approx(found.value)


def test_what_inputs_tell_of_losses_is_expected() -> None:
    codes = np.eye(3, dtype=np.float32)[np.arange(9000) % 3]
    loss = np.array([1.0, 2.0, 6.0])[np.arange(9000) % 3]
    (expected,) = expected_loss(codes, loss, [np.eye(3, dtype=np.float32)])
    assert expected == pytest.approx([1, 2, 6], abs=0.06)
