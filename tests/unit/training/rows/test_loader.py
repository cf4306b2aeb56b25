"""A loader begins at any step, gives the same global batches to any number of workers, and reads ahead no more than it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.core.storage import LocalStorage
from include.training.job import Rows
from include.training.rows import loader
from include.training.rows.loader import AHEAD, Reader
from include.training.rows.order import Order
from include.training.rows.streamed import StreamedRows
from tests.support.streamed_rows import streamed

BATCH = 48


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> StreamedRows:
    numbers = np.arange(700, dtype=np.float32)
    features = np.column_stack([numbers, -numbers])
    return streamed(Rows(features, numbers % 2, weights=numbers + 1), LocalStorage(tmp_path_factory.mktemp("root")), 13)


def reader(rows: StreamedRows, rank: int = 0, world: int = 1) -> Reader:
    return Reader(rows.part, rows.storage, Order(tuple(block.rows for block in rows.part.blocks), BATCH, 7), rank, world)


def test_a_loader_that_begins_in_the_middle_of_an_epoch_goes_on_with_the_same_batches(rows: StreamedRows) -> None:
    steps = reader(rows).order.steps
    whole = list(reader(rows).batches(steps))  # the second epoch
    assert len(whole) == steps == 14
    for step in (1, 2, 7, 13):
        again = list(reader(rows).batches(steps + step))
        assert len(again) == steps - step
        for ours, theirs in zip(again, whole[step:], strict=True):
            assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_the_rows_of_a_batch_stay_together(rows: StreamedRows) -> None:
    seen = []
    for features, labels, weights in reader(rows).batches(0):
        numbers = features[:, 0]
        assert (features[:, 1] == -numbers).all()
        assert (labels == numbers % 2).all()
        assert (weights == numbers + 1).all()
        seen.extend(numbers.tolist())
    assert len(seen) == len(set(seen)) == 14 * BATCH


@pytest.mark.parametrize("world", [2, 3, 4, 8, 24])
def test_any_number_of_workers_shares_the_same_global_batches(rows: StreamedRows, world: int) -> None:
    alone = [set(features[:, 0]) for features, *_ in reader(rows).batches(3)]
    shares = [list(reader(rows, rank, world).batches(3)) for rank in range(world)]
    for step, batch in enumerate(alone):
        parts = [share[step][0][:, 0].tolist() for share in shares]
        assert {len(part) for part in parts} == {BATCH // world}
        assert {number for part in parts for number in part} == batch


def test_a_worker_reads_its_share_alone_and_little_ahead(rows: StreamedRows, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    load = Reader.load

    def counted(self: Reader, epoch: int, stretch: loader.Stretch, skipped: int) -> loader.Arrays:
        read.append(stretch.rows)
        return load(self, epoch, stretch, skipped)

    monkeypatch.setattr(Reader, "load", counted)
    lanes = reader(rows).order.lanes
    batches = reader(rows).batches(0)
    next(batches)
    assert len(read) <= 3 * lanes + AHEAD  # of 13 rows, of which a batch takes 4 in each lane
    batches.close()
    read.clear()
    list(reader(rows, 1, 4).batches(0))
    assert sum(read) == 14 * BATCH // 4


def test_an_error_of_the_reading_thread_comes_out(rows: StreamedRows, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk")

    monkeypatch.setattr(Reader, "load", broken)
    with pytest.raises(OSError, match="the disk"):
        next(reader(rows).batches(0))


def test_a_small_span_gives_the_same_batches(rows: StreamedRows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = list(reader(rows).batches(0))
    monkeypatch.setattr(loader, "SPAN", 1)
    for ours, theirs in zip(reader(rows).batches(0), whole, strict=True):
        assert np.array_equal(ours[0], theirs[0])
