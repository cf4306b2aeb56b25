from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.core.errors import IntegrityError
from include.retrieval.items import Items
from include.retrieval.nearest import Exact

pytest.importorskip("faiss")
from include.backends.faiss.index import open_index, write_index


@pytest.fixture(scope="module")
def many() -> Items:
    random = np.random.default_rng(7)
    centres = random.normal(size=(40, 16))
    vectors = (centres[random.integers(0, 40, 3000)] + 0.3 * random.normal(size=(3000, 16))).astype(np.float32)
    return Items(tuple(map(str, range(3000))), vectors, np.arange(10), inputs=("likes",))


def test_nearly_all_of_the_nearest_are_found(many: Items, tmp_path: Path) -> None:
    write_index(tmp_path / "index", many.vectors)
    index, exact = open_index(tmp_path / "index", many), Exact(many.vectors)
    found = [set(index.search(query, 20)[0]) & set(exact.search(query, 20)[0]) for query in many.vectors[:50]]
    assert not index.exact
    assert np.mean([len(each) for each in found]) > 18


def test_the_same_vectors_are_the_same_bytes(many: Items, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_index(tmp_path / name, many.vectors)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_index_of_other_items_is_refused(many: Items, tmp_path: Path) -> None:
    write_index(tmp_path / "index", many.vectors)
    fewer = replace(many, ids=many.ids[:100], vectors=many.vectors[:100])
    with pytest.raises(IntegrityError, match="no index of the version's items"):
        open_index(tmp_path / "index", fewer)
    (tmp_path / "index").write_bytes(b"\x80\x04nonsense")
    with pytest.raises(IntegrityError, match="no index of the version's items"):
        open_index(tmp_path / "index", many)
