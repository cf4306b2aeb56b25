"""Yes or no: decisions by threshold, cost or the author, labels that are neither."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.core.spec import Binary, Costs
from include.problems.of import problem_of
from include.problems.truth import Truth

PLAIN = problem_of(Binary(), threshold=0.3)


def always(scores: np.ndarray) -> np.ndarray:
    """An author's decision."""
    return np.ones(len(scores), dtype=np.int64)


def squared(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """An author's metric."""
    return np.asarray(np.square(labels - outputs))


def short(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """One that forgets a row."""
    return labels[1:]


def test_decisions() -> None:
    scores = np.array([0.3, 0.29])
    assert PLAIN.decide(scores).tolist() == [1, 0]
    assert problem_of(Binary(decision=f"{__name__}:always")).decide(scores).tolist() == [1, 1]
    costly = problem_of(Binary(costs=Costs(false_positive=2.0, false_negative="amount")))
    assert costly.decide(scores, {"amount": np.array([1.0, 100.0])}).tolist() == [0, 1]
    assert costly.answer(0.3, {"amount": 100}) == {"score": 0.3, "label": 1}
    truth = Truth(np.array([1.0, 0.0]), costs={"amount": np.array([1.0, 100.0])})
    assert costly.loss(truth, scores).tolist() == [1.0, 2.0]
    assert PLAIN.loss(truth, scores).tolist() == [0.0, 0.0]


def test_an_authors_metric_is_the_mean_of_a_loss() -> None:
    problem = problem_of(Binary(metrics=(f"{__name__}:squared", f"{__name__}:short")))
    truth, scores = Truth(np.array([1.0, 0.0])), np.array([0.5, 0.1])
    assert problem.metric("squared").measured(truth, scores) == pytest.approx(0.13)
    with pytest.raises(DataError, match="a finite number a row"):
        problem.metric("short").measured(truth, scores)
    with pytest.raises(DataError, match="no metric of a Binary"):
        problem.metric("mae")


def test_labels_that_are_neither_are_refused() -> None:
    assert PLAIN.encode(pa.chunked_array([[1, 0]]), "late").tolist() == [1.0, 0.0]
    with pytest.raises(DataError, match="must be 0 or 1"):
        PLAIN.encode(pa.chunked_array([[1, 2]]), "late")
    for value in (2, "1", None, 0.5):
        with pytest.raises(DataError, match="0 or 1"):
            PLAIN.read_label(value)
    assert (PLAIN.read_label(True), PLAIN.show_label(1.0)) == (1.0, 1)


def test_one_class_alone_is_too_few() -> None:
    assert "0 of 40 rows are positive" in PLAIN.too_few(Truth(np.zeros(40)), 20)
    assert PLAIN.too_few(Truth(np.arange(40.0) % 2), 20) == ""


def test_what_is_wrong_with_outputs_is_said() -> None:
    assert PLAIN.check(np.array([0.0, 1.0]), 2) == ""
    assert "where a probability is needed" in PLAIN.check(np.array([0.0, 1.5]), 2)
    assert "not finite" in PLAIN.check(np.array([0.0, np.nan]), 2)


def test_the_historical_rate_is_the_one_that_evaluations_always_had() -> None:
    rng = np.random.default_rng(2)
    labels, names = rng.integers(0, 2, 90).astype(np.float64), [f"g{n}" for n in rng.integers(0, 5, 90)]
    held = ["g1", "g3", "never"]
    inside, overall = np.array(names) == "g1", labels.mean()
    found = PLAIN.historical(Truth(labels), names, held)
    assert found[0] == (labels[inside].sum() + 20 * overall) / (inside.sum() + 20)
    assert found[2] == overall
