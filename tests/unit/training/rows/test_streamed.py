"""What a fit can ask of a set that does not fit into memory, and what it is told where it asks for more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.core.errors import SpecError
from include.core.storage import LocalStorage
from include.training.job import Rows
from include.training.rows import streamed as streamed_module
from include.training.rows.streamed import StreamedRows
from tests.support.streamed_rows import streamed

ROWS = Rows(np.arange(200, dtype=np.float32).reshape(100, 2), np.arange(100, dtype=np.float32), days=np.arange(100))


@pytest.fixture
def rows(tmp_path: Path) -> StreamedRows:
    return streamed(ROWS, LocalStorage(tmp_path))


@pytest.mark.parametrize("name", ["features", "labels", "columns", "weights", "queries", "days", "given"])
def test_an_array_of_all_rows_is_refused_with_their_size_and_the_choice(rows: StreamedRows, name: str) -> None:
    with pytest.raises(SpecError) as error:
        getattr(rows, name)
    assert "100 rows" in str(error.value)
    assert "training.memory_rows" in str(error.value)
    assert "job.train.batches()" in str(error.value)


def test_so_many_rows_as_may_be_in_memory_are_arrays(tmp_path: Path) -> None:
    rows = streamed(ROWS, LocalStorage(tmp_path), most=100)
    assert rows.features.tobytes() == ROWS.features.tobytes()
    assert rows.labels.tobytes() == ROWS.labels.tobytes()
    assert rows.weights is None
    assert rows.cut(slice(3, 5)).labels.tolist() == [3, 4]


@pytest.mark.parametrize("size", [1, 7, 16, 33, 100, 1000])
def test_batches_are_all_rows_in_their_order(rows: StreamedRows, size: int) -> None:
    parts = list(rows.batches(size))
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert np.concatenate([part.labels for part in parts]).tolist() == ROWS.labels.tolist()
    assert len(parts) == -(-100 // size)


def test_a_stretch_reads_its_own_blocks_alone(rows: StreamedRows) -> None:
    for number in (0, 1, 4, 5, 6):
        rows.storage.delete(f"rows/{rows.part.blocks[number].name}")
    assert [part.labels.tolist() for part in rows.stretch(33, 60, 20)] == [list(range(33, 53)), list(range(53, 60))]


def test_truth_and_number_need_no_features(rows: StreamedRows) -> None:
    assert len(rows) == 100
    truth = rows.truth()
    assert truth.labels.tolist() == list(range(100))
    assert truth.day is not None
    assert truth.day.tolist() == list(range(100))
    assert len(rows.sample()) == 100


@pytest.mark.parametrize(("bytes_", "least", "expected"), [(1 << 20, 1, 100), (12 * 30, 1, 30), (12, 40, 40)])
def test_a_sample_is_bounded_in_rows_and_in_bytes(
    rows: StreamedRows, monkeypatch: pytest.MonkeyPatch, bytes_: int, least: int, expected: int
) -> None:
    monkeypatch.setattr(streamed_module, "SAMPLE_BYTES", bytes_)
    monkeypatch.setattr(streamed_module, "LEAST", least)
    assert rows.sample().labels.tolist() == list(range(expected))


def test_the_newest_rows_are_those_that_were_kept_apart(rows: StreamedRows) -> None:
    with pytest.raises(SpecError, match="newest 3 rows"):
        rows.last(3)
    assert rows.with_newest(rows.part).last(3).labels.tolist() == [97, 98, 99]
    assert len(rows.with_newest(rows.part).last(1000)) == 100
