"""Classes: metrics as scikit-learn has them, decisions by cost, labels that are no class."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, f1_score
from sklearn.metrics import log_loss as their_log_loss

from include.core.errors import DataError
from include.core.spec import MultiClass
from include.problems.multiclass import MultiClassProblem
from include.problems.of import problem_of
from include.problems.truth import Truth
from tests.support.problem_draws import drawn

PLAIN = MultiClassProblem(MultiClass(classes=("1", "2", "3")))


def test_metrics_are_those_of_scikit_learn() -> None:
    _, truth, outputs = drawn("multiclass")
    found, said = PLAIN.measure(truth, outputs), outputs.argmax(axis=1)
    assert found["log_loss"] == pytest.approx(their_log_loss(truth.labels, outputs), abs=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth.labels, said), abs=1e-6)
    assert found["macro_f1"] == pytest.approx(f1_score(truth.labels, said, average="macro"), abs=1e-6)
    squares = np.square(outputs - np.eye(3)[truth.labels.astype(int)]).sum(axis=1).mean()
    assert found["brier"] == pytest.approx(squares, abs=1e-6)


def test_whole_numbers_are_classes_as_text() -> None:
    assert PLAIN.encode(pa.chunked_array([[3, 1]]), "stars").tolist() == [2.0, 0.0]
    assert PLAIN.encode(pa.chunked_array([["2"]]), "stars").tolist() == [1.0]
    assert (PLAIN.read_label(2), PLAIN.show_label(1.0)) == (1.0, "2")


def test_labels_that_are_no_class_are_refused_with_their_values() -> None:
    with pytest.raises(DataError, match="1 of them") as error:
        PLAIN.encode(pa.chunked_array([["1", "7"]]), "stars")
    assert error.value.seen == ["7"]
    with pytest.raises(DataError, match="must be a class"):
        PLAIN.encode(pa.chunked_array([[1.5]]), "stars")
    for value in (4, "", None, True, 1.0):
        with pytest.raises(DataError, match="one of the classes"):
            PLAIN.read_label(value)


def test_what_is_wrong_with_outputs_is_said() -> None:
    assert PLAIN.check(np.array([[0.2, 0.3, 0.5]]), 1) == ""
    assert "add up to 1 only within" in PLAIN.check(np.array([[0.2, 0.3, 0.6]]), 1)
    assert "probabilities are needed" in PLAIN.check(np.array([[-0.2, 0.6, 0.6]]), 1)


def test_costs_decide_and_are_the_loss() -> None:
    costly = problem_of(MultiClass(classes=("no", "yes"), costs=((0, 1), (9, 0))))
    outputs = np.array([[0.8, 0.2], [0.95, 0.05]])
    assert costly.decide(outputs).tolist() == [1, 0]
    assert costly.loss(Truth(np.array([0.0, 1.0])), outputs).tolist() == [1.0, 9.0]
    assert costly.answer([0.8, 0.2]) == {"class": "yes", "probabilities": {"no": 0.8, "yes": 0.2}}


def test_rows_of_one_class_teach_nothing_and_absent_classes_are_named() -> None:
    few = Truth(np.zeros(300))
    assert "two classes at least" in PLAIN.too_few(few, 100)
    assert PLAIN.absent(few) == ("2", "3")
    assert PLAIN.too_few(Truth(np.arange(300.0) % 2), 100) == ""


def test_two_models_are_as_far_apart_as_their_probabilities() -> None:
    found = PLAIN.distance(np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]), np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]))
    assert found.tolist() == [1.0, 0.0]


def test_baselines_are_distributions() -> None:
    problem, truth, outputs = drawn("multiclass")
    rows = outputs.astype(np.float32)
    seen = truth.take(truth.labels < 2)  # a class that no training row has gets nothing
    boosted = problem.boosted(rows[truth.labels < 2], seen, rows, [], 7)
    assert problem.check(boosted, len(rows)) == ""
    assert boosted[:, 2].max() == 0
    assert problem.check(problem.historical(truth, ["x"] * len(truth), ["x", "y"]), 2) == ""
