from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.core.errors import DataError
from include.retrieval import nearest
from include.retrieval.nearest import INDEX, Exact, open_nearest, write_index
from tests.support.films import VECTORS, items


@pytest.mark.parametrize("count", [1, 7, 50, 200])
def test_exact_is_the_sorted_products(count: int) -> None:
    random = np.random.default_rng(7)
    vectors, query = random.normal(size=(50, 8)).astype(np.float32), random.normal(size=8).astype(np.float32)
    places, products = Exact(vectors).search(query, count)
    expected = np.argsort(-(vectors @ query), kind="stable")[:count]
    assert places.tolist() == expected.tolist()
    np.testing.assert_array_equal(products, (vectors @ query)[expected])


def test_of_equal_products_the_first_places_are_taken() -> None:
    vectors = np.ones((6, 2), dtype=np.float32)
    vectors[4] = 2
    assert Exact(vectors).search(np.ones(2, np.float32), 3)[0].tolist() == [4, 0, 1]


def test_a_small_catalogue_gets_no_index(tmp_path: Path) -> None:
    assert not write_index(tmp_path / INDEX, VECTORS)
    assert not (tmp_path / INDEX).exists()
    assert open_nearest(items(), None).exact


def test_an_index_whose_library_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(*_: object) -> None:
        raise ImportError("No module named 'faiss'")

    monkeypatch.setattr(nearest, "adapter", lambda _: missing)
    monkeypatch.setattr(nearest, "EXACT_UP_TO", 3)
    with pytest.raises(DataError, match="its library is not installed"):
        write_index(tmp_path / INDEX, VECTORS)
    assert open_nearest(items(), tmp_path / INDEX).exact  # slower, and the same answers
    assert "all compared" in caplog.text
