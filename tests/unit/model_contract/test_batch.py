from __future__ import annotations

import numpy as np
import pytest

from include.core.errors import DataError
from include.model_contract.batch import Columns, join

ONE = Columns({"a": np.array([1.0, 2.0], np.float32), "t": np.array(["x", "y"], object)})


def test_columns_are_cut_by_rows_as_a_matrix_is() -> None:
    cut = ONE[1:]
    assert (len(cut), cut["a"].tolist(), cut["t"].tolist()) == (1, [2.0], ["y"])
    assert ONE[np.array([1, 0])]["t"].tolist() == ["y", "x"]
    assert ONE.names == ("a", "t")
    assert "a" in ONE
    assert "b" not in ONE


def test_columns_without_an_array_know_their_rows() -> None:
    nothing = Columns({}, 3)
    assert (len(nothing), len(nothing[1:]), len(join([nothing, nothing]))) == (3, 2, 6)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="one length"):
        Columns({"a": np.zeros(1), "b": np.zeros(2)})


def test_batches_of_one_form_are_joined_and_others_refused() -> None:
    joined = join([ONE, ONE[:1]])
    assert isinstance(joined, Columns)
    assert joined["t"].tolist() == ["x", "y", "x"]
    matrix = np.zeros((2, 1), np.float32)
    assert np.asarray(join([matrix, matrix])).shape == (4, 1)
    with pytest.raises(DataError, match="not of both"):
        join([ONE, matrix])
