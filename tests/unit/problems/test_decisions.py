"""Decisions of an author's function: whole numbers, one a row, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from include.core.errors import DataError
from include.core.spec import Binary, MultiClass
from include.problems.decisions import decided_by
from include.problems.of import problem_of

ROWS = np.array([[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])


def too_high(outputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A place counted from 1."""
    return outputs.argmax(axis=1) + 1


def beside(outputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A column, which would be compared with every row's label."""
    return (outputs > 0.5).astype(np.int64)[:, None]


def test_whole_numbers_and_truths_are_decisions() -> None:
    assert decided_by(lambda outputs: outputs.argmax(axis=1), ROWS, 2).tolist() == [1, 0, 0]
    assert decided_by(lambda outputs: outputs[:, 0] > 0.5, ROWS, 2).tolist() == [0, 1, 0]
    assert decided_by(lambda outputs: np.array([1.0, 0.0, 1.0]), ROWS, 2).dtype == np.int64


@pytest.mark.parametrize(
    "given", [[0.7, 0.2, 1.0], [0, 1, 2], [-1, 0, 1], [0, 1], [[0], [1], [0]], ["x", "y", "x"], [np.nan, 0, 1], 1]
)
def test_anything_else_is_refused_with_what_was_given(given: Any) -> None:
    with pytest.raises(DataError, match="one whole number from 0 to 1 a row") as error:
        decided_by(lambda outputs: given, ROWS, 2)
    assert "for 3 rows" in str(error.value.seen)


def test_losses_are_never_taken_of_what_is_no_decision() -> None:
    with pytest.raises(DataError, match="'too_high' must give one whole number from 0 to 1"):
        problem_of(MultiClass(classes=("a", "b"), decision=f"{__name__}:too_high")).decide(ROWS)
    with pytest.raises(DataError, match=r"'beside' must give"):
        problem_of(Binary(decision=f"{__name__}:beside")).decide(ROWS[:, 0])
