"""A streamed training set has the encoder, the split, the rows and the refusals of the same set in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.spec import Feature, MultiClass, Regression
from include.core.storage import LocalStorage
from include.model_contract.encoder import Encoder
from include.problems.of import PLAIN, problem_of
from include.training import reading
from include.training.job import Rows
from include.training.rows import prepare, scan
from include.training.rows.prepare import Asked, Place, streamed_rows
from include.training.rows.streamed import StreamedRows, joined
from tests.support.training_example import table

FEATURES = (Feature(name="wind"), Feature(name="hour", dtype="int"), Feature(name="carrier", dtype="category"))
ASKED = Asked("late", PLAIN, FEATURES, "tensor", 7)
COLUMNS = (
    Feature(name="wind"), Feature(name="hour", dtype="int", default=5), Feature(name="carrier", dtype="category"),
    Feature(name="remark", dtype="text"), Feature(name="place", dtype="vector[2]"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many batches, piles and blocks of few rows."""
    monkeypatch.setattr(scan, "BATCH", 130)
    monkeypatch.setattr(prepare, "PILE_BYTES", 4000)
    monkeypatch.setattr(prepare, "BLOCK_ROWS", (48, 48))
    monkeypatch.setattr(prepare, "KEPT_NEWEST", 200)


def written(rows: pa.Table, folder: Path, name: str = "train.parquet") -> Path:
    pq.write_table(rows, folder / name, row_group_size=170)
    return folder / name


def both(path: Path, asked: Asked, folder: Path, name: str = "rows") -> tuple[tuple[Rows, Rows, Encoder], ...]:
    place = Place(LocalStorage(folder / "root"), name, folder)
    return reading._in_memory(path, asked), streamed_rows(path, asked, place)


def in_some_order(rows: Rows) -> np.ndarray:
    days = np.zeros(len(rows)) if rows.days is None else rows.days
    whole = np.column_stack([np.nan_to_num(rows.features, nan=-99), rows.labels, days])
    return whole[np.lexsort(whole.T)]


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_rows_and_the_encoder_are_those_in_memory(shuffled: bool, tmp_path: Path) -> None:
    rows = table(1200)
    if shuffled:
        rows = rows.take(np.random.default_rng(1).permutation(1200))
    memory, stream = both(written(rows, tmp_path), ASKED, tmp_path)
    assert stream[2] == memory[2]
    train, validation = stream[0], joined(list(stream[1].batches(100)))
    for ours, theirs in ((validation.features, memory[1].features), (validation.labels, memory[1].labels)):
        assert ours.tobytes() == theirs.tobytes()
    assert np.array_equal(validation.days, memory[1].days)
    assert len(train) == len(memory[0]) == 1080
    found = joined(list(train.batches(100)))
    assert np.array_equal(in_some_order(found), in_some_order(memory[0]))
    assert train.last(150).features.tobytes() == memory[0].last(150).features.tobytes()
    assert stream[1].truth().labels.tobytes() == memory[1].truth().labels.tobytes()


def test_the_rows_lie_in_random_order_that_is_the_same_each_time(tmp_path: Path) -> None:
    path = written(table(1200), tmp_path)
    (memory, (one, *_)), (_, (other, *_)) = both(path, ASKED, tmp_path), both(path, ASKED, tmp_path, "again")
    assert isinstance(one, StreamedRows)
    assert isinstance(other, StreamedRows)
    assert [block.digest for block in one.part.blocks] == [block.digest for block in other.part.blocks]
    days = joined(list(one.batches())).days
    assert days is not None
    assert abs(np.corrcoef(days, np.arange(len(days)))[0, 1]) < 0.1
    assert memory[0].days is not None
    assert (np.diff(memory[0].days) >= 0).all()


def test_columns_texts_and_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    rows = table(1200)
    hours = pa.array([None if n % 7 == 0 else int(hour) for n, hour in enumerate(rows["hour"].to_pylist())], pa.int64())
    rows = rows.set_column(rows.schema.get_field_index("hour"), "hour", hours)
    rows = rows.append_column("remark", pa.array([None if n % 5 == 0 else f"süd {n}" for n in range(1200)], pa.string()))
    rows = rows.append_column("place", pa.array([None if n % 9 == 0 else [n, -n] for n in range(1200)], pa.list_(pa.float32())))
    asked = Asked("late", PLAIN, COLUMNS, "columns", 7)
    memory, stream = both(written(rows, tmp_path), asked, tmp_path)
    assert stream[2] == memory[2]
    ours, theirs = joined(list(stream[1].batches(50))).columns, memory[1].columns
    assert ours is not None
    assert theirs is not None
    assert ours.names == theirs.names
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype
        np.testing.assert_array_equal(ours[name], array)


def test_weights_come_along(tmp_path: Path) -> None:
    rows = table(1200).append_column("worth", pa.array(np.arange(1, 1201, dtype=np.float64)))
    problem = problem_of(Regression(scale=1, weight="worth"))
    rows = rows.append_column("speed", pa.array(np.arange(1200) % 17 * 1.5))
    memory, stream = both(written(rows, tmp_path), Asked("speed", problem, FEATURES, "tensor", 7), tmp_path)
    weights = joined(list(stream[1].batches())).weights
    assert weights is not None
    assert memory[1].weights is not None
    assert weights.tobytes() == memory[1].weights.tobytes()


def replaced(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, values)


def wrong_sets() -> dict[str, tuple[pa.Table, Asked]]:
    rows = table(1200)
    classes = problem_of(MultiClass(classes=("a", "b", "c")))
    kinds = ["a", "b"] * 600
    words = rows.append_column("remark", pa.array(["7"] * 1200))
    remark = Asked("late", PLAIN, (*FEATURES, Feature(name="remark", dtype="text")), "columns", 7)
    return {
        "one class": (replaced(rows, "late", pa.array(np.zeros(1200, np.int8))), ASKED),
        "one class before the cut": (replaced(rows, "late", pa.array((np.arange(1200) > 1150).astype(np.int8))), ASKED),
        "no row of a class": (rows.append_column("kind", pa.array(kinds)), Asked("kind", classes, FEATURES, "tensor", 7)),
        "too few": (rows.slice(0, 80), ASKED),
        "one moment": (replaced(rows, "event_timestamp", pa.array([0] * 1200, pa.timestamp("us"))), ASKED),
        "no letter": (words, remark),
        "text in a tensor": (words, Asked("late", PLAIN, remark.features, "tensor", 7)),
        "no column": (rows.drop_columns(["carrier"]), ASKED),
    }


@pytest.mark.parametrize("name", list(wrong_sets()))
def test_what_is_refused_in_memory_is_refused_in_the_same_words(name: str, tmp_path: Path) -> None:
    rows, asked = wrong_sets()[name]
    path = written(rows, tmp_path)
    with pytest.raises(DataError) as memory:
        reading._in_memory(path, asked)
    with pytest.raises(DataError) as stream:
        streamed_rows(path, asked, Place(LocalStorage(tmp_path / "root"), "rows", tmp_path))
    assert str(stream.value) == str(memory.value)


def test_a_label_that_is_none_is_refused_wherever_it_is(tmp_path: Path) -> None:
    labels = table(1200)["late"].to_pylist()
    labels[-1] = 2
    path = written(replaced(table(1200), "late", pa.array(labels, pa.int8())), tmp_path)
    with pytest.raises(DataError, match="late"):
        streamed_rows(path, ASKED, Place(LocalStorage(tmp_path / "root"), "rows", tmp_path))


def test_blocks_that_are_there_are_used_and_lost_ones_made_again_with_the_same_bytes(tmp_path: Path) -> None:
    path, storage = written(table(1200), tmp_path), LocalStorage(tmp_path / "root")
    place = Place(storage, "rows", tmp_path)
    first = streamed_rows(path, ASKED, place)[0]
    kept = storage.read(f"rows/{first.part.blocks[3].name}")
    storage.delete(f"rows/{first.part.blocks[3].name}")
    again = streamed_rows(path, ASKED, place)[0]
    assert storage.read(f"rows/{again.part.blocks[3].name}") == kept
    assert again.part == first.part
    path.unlink()  # nothing is read of it any more
    assert streamed_rows(path, ASKED, place)[0].part == first.part
