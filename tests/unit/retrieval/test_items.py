from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.core.errors import DataError, IntegrityError
from include.retrieval.items import Items, read_items
from include.retrieval.safetensors import read_arrays, write_arrays
from tests.support.films import FILMS, VECTORS, items


def test_items_come_back_as_they_were(tmp_path: Path) -> None:
    written = Items(("a", "ü☃", "1"), VECTORS[:3], np.array([2, 0]), inputs=("likes",), candidates=5, seen="had", also="new")
    written.write(tmp_path / "items")
    found = read_items(tmp_path / "items")
    assert (found.ids, found.inputs, found.candidates) == (written.ids, ("likes",), 5)
    assert (found.seen, found.also) == ("had", "new")
    np.testing.assert_array_equal(found.vectors, written.vectors)
    np.testing.assert_array_equal(found.popular, written.popular)


def test_places_of_what_is_not_there_are_passed_over() -> None:
    assert items().places_of(["diva", "nothing", "alien"]).tolist() == [3, 0]


WRONG: dict[str, dict[str, Any]] = {
    "there is none": {"ids": ()},
    "more than once": {"ids": ("a", "a", "c", "d")},
    "no text of 1": {"ids": ("", "b", "c", "d")},
    "not float32": {"vectors": VECTORS.astype(np.float64)},
    "list": {"vectors": VECTORS[:3]},
    "is not finite": {"vectors": np.where(VECTORS == -1, np.nan, VECTORS).astype(np.float32)},
    "no popular items": {"popular": np.array([], dtype=np.int64)},
    "no places of items": {"popular": np.array([0, 9])},
    "each once": {"popular": np.array([1, 1])},
    "0 candidates": {"candidates": 0},
}


@pytest.mark.parametrize("why", WRONG)
def test_what_are_no_items_is_refused(why: str) -> None:
    given: dict[str, Any] = {"ids": FILMS, "vectors": VECTORS, "popular": np.array([0]), **WRONG[why]}
    with pytest.raises(DataError, match=why if why != "list" else "the vectors are"):
        Items(**given)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    write_arrays(tmp_path / "items", {"vectors": VECTORS}, {"format": "other"})
    with pytest.raises(IntegrityError, match="no items of this release"):
        read_items(tmp_path / "items")


def test_a_file_that_lacks_something_is_refused(tmp_path: Path) -> None:
    items().write(tmp_path / "items")
    arrays, told = read_arrays(tmp_path / "items")
    for name in arrays:
        write_arrays(tmp_path / "less", {each: array for each, array in arrays.items() if each != name}, told)
        with pytest.raises(IntegrityError, match="not whole"):
            read_items(tmp_path / "less")
    write_arrays(tmp_path / "less", {**arrays, "id_ends": arrays["id_ends"] - 1}, told)
    with pytest.raises(IntegrityError, match="do not end"):
        read_items(tmp_path / "less")
