"""What a spec leaves out has the unit of its metric."""

from __future__ import annotations

import pytest

from include.core.spec import Binary, Evaluation, ModelSpec, MultiClass, Regression, Retraining, Rollout
from tests.support.spec_of_problem import with_problem


def test_margins_of_numbers_are_in_the_size_that_matters() -> None:
    spec = with_problem(Regression(scale=20.0))
    evaluation = spec.evaluation
    assert (evaluation.metric, evaluation.minimum, evaluation.margin, evaluation.slice_margin) == ("mae", None, 0.2, 0.6)
    assert spec.retraining.on_performance_drop == pytest.approx(0.4)
    assert spec.rollout.shadow_tolerance == pytest.approx(7.0)


def test_what_is_stated_stays_and_comes_back() -> None:
    spec = with_problem(
        Regression(scale=20.0),
        evaluation={"metric": "rmse", "minimum": 30.0, "margin": 1.0},
        retraining={"on_performance_drop": None},
    )
    assert (spec.evaluation.metric, spec.evaluation.minimum, spec.evaluation.margin) == ("rmse", 30.0, 1.0)
    assert spec.retraining.on_performance_drop is None
    assert ModelSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_binary_model_has_the_defaults_of_the_sections() -> None:
    spec = with_problem(Binary())
    assert (spec.evaluation, spec.retraining, spec.rollout) == (Evaluation(), Retraining(), Rollout())
    classes = with_problem(MultiClass(classes=("a", "b")))
    assert (classes.evaluation.metric, classes.evaluation.minimum, classes.evaluation.margin) == ("log_loss", None, 0.01)
