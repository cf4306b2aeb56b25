from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.core.errors import DataError, IntegrityError
from include.model_contract.encoder import Encoder, Input
from include.retrieval.items import ITEMS
from include.retrieval.version import QUERY, Retrieval, open_retrieval, write_retrieval
from tests.support.films import ENCODER, FILMS, items, query_file, version


@pytest.fixture
def opened(tmp_path: Path) -> Retrieval:
    found = open_retrieval(write_retrieval(tmp_path, items(), query_file()), ENCODER)
    assert found is not None
    return found


def test_a_version_finds_what_is_near(opened: Retrieval) -> None:
    row = {"likes": "alien", "had": "", "new": ""}
    vector = opened.vector(row)
    assert vector is not None
    assert vector.tolist() == [1.0, 0.0]
    assert opened.candidates(row, vector, ()) == ["alien", "brazil", "casablanca"]


def test_what_was_seen_is_left_out_and_others_come_up(opened: Retrieval) -> None:
    row = {"likes": "alien", "had": "alien nothing", "new": "evita brazil alien"}
    found = opened.candidates(row, opened.vector(row), ["casablanca"])
    assert found == ["brazil", "diva", "evita"]


def test_who_has_liked_nothing_is_shown_the_popular(opened: Retrieval) -> None:
    row = {"likes": None, "had": None, "new": None}
    assert opened.vector(row) is None
    assert opened.candidates(row, None, ["diva"]) == ["casablanca", "alien", "brazil"]


def test_the_row_itself_may_name_what_is_unknown_to_the_vectors(opened: Retrieval) -> None:
    row = {"likes": "", "had": "", "new": "evita"}
    assert opened.candidates(row, None, FILMS) == ["evita"]


def test_a_version_that_ships_nothing_has_none() -> None:
    assert open_retrieval({}, ENCODER) is None


@pytest.mark.parametrize("lacking", [ITEMS, QUERY])
def test_half_of_the_files_is_refused(tmp_path: Path, lacking: str) -> None:
    files = write_retrieval(tmp_path, items(), query_file())
    with pytest.raises(IntegrityError, match=f"lacks {lacking}"):
        open_retrieval({name: path for name, path in files.items() if name != lacking}, ENCODER)


def test_an_encoder_of_other_items_is_refused(tmp_path: Path) -> None:
    wide = replace(items(), vectors=np.ones((4, 5), np.float32))  # the encoder gives two numbers
    with pytest.raises(IntegrityError, match="no vector of 5 numbers"):
        open_retrieval(write_retrieval(tmp_path, wide, query_file()), ENCODER)


def test_inputs_that_the_model_lacks_are_refused(tmp_path: Path) -> None:
    files = write_retrieval(tmp_path, items(), query_file())
    with pytest.raises(IntegrityError, match="inputs that the model does not have"):
        open_retrieval(files, Encoder((Input("likes", "text", ""),), "liked", "columns"))


def test_a_vector_that_is_not_finite_is_refused() -> None:
    class Broken:
        named, inputs = True, 1

        def score(self, features: object) -> np.ndarray:
            del features
            return np.full((1, 2), np.nan, np.float32)

    retrieval = version().retrieval
    assert retrieval is not None
    with pytest.raises(DataError, match="no vector of 2 numbers"):
        replace(retrieval, model=Broken()).vector({"likes": ""})
