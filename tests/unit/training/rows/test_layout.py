"""Rows become a table and the same rows again, bit for bit."""

from __future__ import annotations

import numpy as np

from include.model_contract.batch import Columns
from include.training.job import Rows
from include.training.rows.layout import Layout

NAN = np.float32("nan")


def test_every_array_comes_back_bit_for_bit() -> None:
    columns = Columns(
        {
            "text": np.array(["", "a\x00b", "süd"], dtype=object), "whole": np.array([1, -(2**60), 3]),
            "truth": np.array([True, False, True]), "number": np.array([NAN, -0.0, 1e-45], np.float32),
            "place": np.array([[1, NAN], [2, 3], [4, 5]], np.float32),
        }
    )  # fmt: skip
    labels, weights, days = np.array([0, 1, 0], np.float32), np.array([1, 2, 3], np.float32), np.array([7, 8, 9])
    rows = Rows(np.array([[NAN, 1], [2, -0.0], [3, 4]], np.float32), labels, columns, weights, days=days)
    layout = Layout.from_json(Layout.of(rows).to_json())
    assert layout == Layout.of(rows)
    for table, which in ((layout.table(rows), slice(None)), (layout.table(rows).slice(1, 2), slice(1, None))):
        found = layout.rows(table)
        assert found.features.tobytes() == rows.features[which].tobytes()
        assert found.columns is not None
        for name, array in columns.items():
            assert found.columns[name].dtype == array.dtype
            assert found.columns[name].tolist().__repr__() == array[which].tolist().__repr__()
        assert found.labels.tolist() == labels[which].tolist()
        assert found.weights is not None
        assert found.weights.tolist() == weights[which].tolist()
        assert found.days is not None
        assert found.days.tolist() == days[which].tolist()


def test_rows_without_a_number_have_a_length_all_the_same() -> None:
    rows = Rows(np.empty((2, 0), np.float32), np.array([1, 0], np.float32))
    found = Layout.of(rows).rows(Layout.of(rows).table(rows))
    assert found.features.shape == (2, 0)
    assert len(found) == 2
