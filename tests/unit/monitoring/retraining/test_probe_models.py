"""The cheap models of the staleness probe learn something of every kind of problem, and nothing from too few rows."""

from __future__ import annotations

import numpy as np
import pytest

from include.core.spec import AnyKind, Binary, MultiClass, Ranking, Regression
from include.monitoring.retraining.probe_models import fitted
from include.problems.of import problem_of
from include.problems.truth import Truth

KINDS: dict[str, AnyKind] = {
    "binary": Binary(),
    "regression": Regression(scale=1.0, interval=0.9),
    "multiclass": MultiClass(classes=("a", "b", "c")),
    "ranking": Ranking(query="q", item="i", at=3),
}


def _rows(kind: str) -> tuple[np.ndarray, Truth]:
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(600, 2))
    signal = inputs[:, 0] + 0.5 * rng.normal(size=600)
    labels = {"binary": signal > 0, "multiclass": np.digitize(signal, (-0.5, 0.5)), "ranking": signal > 0.5}.get(kind, signal)
    return inputs, Truth(labels.astype(np.float64), query=np.arange(600) // 6)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_probe_loses_less_than_one_that_was_told_nonsense(kind: str) -> None:
    problem = problem_of(KINDS[kind])
    inputs, truth = _rows(kind)
    probe = fitted(problem, inputs, truth)
    assert probe is not None
    outputs = probe(inputs)
    assert problem.check(outputs, 600) == ""
    shuffled = probe(np.random.default_rng(1).permutation(inputs))
    assert problem.loss(truth, outputs).sum() < 0.8 * problem.loss(truth, shuffled).sum()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_too_few_rows_teach_nothing(kind: str) -> None:
    inputs, truth = _rows(kind)
    assert fitted(problem_of(KINDS[kind]), inputs[:12], truth.take(np.arange(12))) is None
