"""What is watched of texts and vectors."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.spec import Feature
from include.monitoring.profile.binning import Axis, axes, with_derived
from include.monitoring.profile.derived import TEXT, VECTOR, basis_of, derived
from include.monitoring.profile.profile_file import read_profiles, write_profiles
from include.monitoring.profile.profiles import profile, profile_files, profile_parts

REVIEW, EMBEDDING = Feature(name="review", dtype="text"), Feature(name="embedding", dtype="vector[2]")
GOOD = ["the", "dress", "fits", "well", "and", "its", "colour", "is", "what", "i", "saw"]
OTHER = ["battery", "charger", "broke", "within", "two", "weeks", "returned", "it", "today"]


def texts(words: list[str], rows: int, seed: int = 3) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(words, k=chance.randint(4, 12))) for _ in range(rows)]


def table(reviews: list[str | None], vectors: list[list[float] | None]) -> pa.Table:
    return pa.table({"review": pa.array(reviews, pa.string()), "embedding": pa.array(vectors, pa.list_(pa.float32()))})


def watched(axis_name: str, reference: pa.Table, window: pa.Table) -> np.ndarray:
    found = axes([REVIEW, EMBEDDING], reference)
    values: np.ndarray = with_derived(window, found)[axis_name].to_numpy()
    return values


def test_a_text_is_watched_by_its_length_its_words_its_distance_and_whether_it_says_anything() -> None:
    reference = table([*texts(GOOD, 300)], [[1.0, 1.0]] * 300)
    window = table(["the dress fits well", "Battery broke", "123 !?", "", None], [[1.0, 1.0]] * 5)
    assert watched("review.length", reference, window)[:4].tolist() == [19, 13, 6, 0]
    assert watched("review.empty", reference, window)[:4].tolist() == [0, 0, 1, 1]
    known = watched("review.known", reference, window)
    assert (known[0], known[1]) == (1.0, 0.0)
    near, far = watched("review.distance", reference, window)[:2]
    assert near < 0.5 < far
    for name in TEXT:
        assert np.isnan(watched(f"review.{name}", reference, window)[4])


def test_a_vector_is_watched_by_its_length_and_its_distance_from_the_mean() -> None:
    reference = table(["a"] * 4, [[0.0, 2.0], [2.0, 0.0], [0.0, 0.0], [2.0, 2.0]])
    window = table(["a"] * 4, [[3.0, 4.0], [0.0, 0.0], [float("nan"), 1.0], None])
    assert watched("embedding.norm", reference, window)[:2].tolist() == [5.0, 0.0]
    assert watched("embedding.distance", reference, window)[0] == pytest.approx(np.hypot(2, 3))
    assert watched("embedding.zero", reference, window)[:3].tolist() == [0.0, 1.0, 1.0]
    for name in VECTOR:
        assert np.isnan(watched(f"embedding.{name}", reference, window)[3])


def test_vectors_of_another_length_have_no_distance() -> None:
    reference = table(["a"] * 2, [[0.0, 2.0], [2.0, 0.0]])
    window = table(["a"], [[1.0, 2.0, 3.0]])
    assert np.isnan(watched("embedding.distance", reference, window)).all()


@pytest.mark.parametrize("column", [pa.nulls(3), pa.nulls(3, pa.string()), pa.nulls(3, pa.list_(pa.float32()))])
def test_a_column_of_nulls_has_no_values(column: pa.Array) -> None:
    text = not pa.types.is_nested(column.type)
    names = TEXT if text else VECTOR
    chunked = pa.chunked_array([column])
    measures = [(name, basis_of(chunked, name, text=text)) for name in names]
    assert all(np.isnan(values).all() for values in derived(chunked, measures, text=text))


def test_profiles_of_files_of_days_and_of_a_table_agree_and_are_read_back(tmp_path: Path) -> None:
    rows = table(texts(GOOD, 200) + texts(OTHER, 100, seed=4), [[float(n), 1.0] for n in range(300)])
    found = axes([REVIEW, EMBEDDING], rows)
    assert [axis.name for axis in found] == [*(f"review.{m}" for m in TEXT), *(f"embedding.{m}" for m in VECTOR)]
    whole = profile(rows, found)
    pq.write_table(rows, tmp_path / "rows.parquet")
    of_file = profile_files([tmp_path / "rows.parquet"], found)
    dated = rows.append_column("at", pa.array([0] * 300, pa.timestamp("us")))
    (of_day,) = profile_parts(dated, found, "at").values()
    for name, summary in whole.items():
        for other in (of_file[name], of_day[name]):
            assert other.bins.tolist() == summary.bins.tolist(), name
            assert other.mean == pytest.approx(summary.mean)
    stored = read_profiles(write_profiles(tmp_path / "p.parquet", found, {("2024-01-01", ""): whole}))
    assert stored.axes == tuple(found)


def test_axes_of_an_earlier_release_are_read() -> None:
    assert Axis(name="x", dtype="float", low=0.0, step=1.0, cells=3, cuts=(1,), categories=()).column == "x"
