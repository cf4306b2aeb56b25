"""The log of metrics: each metric and step once, whoever writes, whoever dies."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.core.errors import StorageFullError
from include.core.storage import LocalStorage
from include.training.spool import MetricSpool, Row, decode, encode


def spool(folder: Path, flush_seconds: float = 60.0) -> MetricSpool:
    return MetricSpool(LocalStorage(folder), "t/metrics", flush_seconds)


def held(folder: Path) -> list[tuple[str, int, float]]:
    """Everything in the log, in its order."""
    rows = [row for _, batch in spool(folder).read() for row in batch]
    return [(name, step, value) for step, _, metrics in rows for name, value in metrics.items()]


def test_what_is_appended_is_read_in_order_after_a_flush(tmp_path: Path) -> None:
    one = spool(tmp_path)
    one.append({"loss": 0.5}, 1)
    assert held(tmp_path) == []
    one.append({"loss": 0.4, "auc": 0.7}, 2)
    one.flush()
    one.append({"loss": 0.3}, 3)
    one.close()
    assert held(tmp_path) == [("loss", 1, 0.5), ("loss", 2, 0.4), ("auc", 2, 0.7), ("loss", 3, 0.3)]
    assert [number for number, _ in spool(tmp_path).read(after=1)] == [2]


def test_a_thread_writes_what_waits(tmp_path: Path) -> None:
    one = spool(tmp_path, flush_seconds=0.01)
    one.append({"loss": 0.5}, 1)
    for _ in range(1000):
        if held(tmp_path):
            break
        threading.Event().wait(0.01)
    assert held(tmp_path) == [("loss", 1, 0.5)]
    one.close()


def test_steps_done_again_after_a_kill_add_nothing_and_what_waited_comes_with_the_checkpoint(tmp_path: Path) -> None:
    first = spool(tmp_path)
    for step in (1, 2, 3):
        first.append({"loss": step / 10}, step)
    first.flush()
    first.append({"loss": 0.4}, 4)  # waits in memory; the checkpoint of step 4 holds it
    checkpoint = first.pending()
    first.append({"loss": 0.5}, 5)  # lost with the process: step 5 is done again
    again = spool(tmp_path)
    again.restore(checkpoint)
    for step in (3, 4, 5, 6):
        again.append({"loss": 9.9 if step < 5 else step / 10}, step)
    again.close()
    assert held(tmp_path) == [("loss", step, step / 10) for step in (1, 2, 3, 4, 5, 6)]
    assert [row for _, batch in spool(tmp_path).read() for row in batch][3][1] == checkpoint[0][1]  # with its own time


def test_of_a_zombie_and_its_retry_each_metric_and_step_enters_once(tmp_path: Path) -> None:
    late, retry = spool(tmp_path), spool(tmp_path)
    for step in (1, 2, 3):
        retry.append({"loss": 0.1}, step)
    retry.flush()
    for step in (2, 3, 4):
        late.append({"loss": 0.2}, step)
    late.flush()
    retry.append({"loss": 0.1}, 4)
    retry.append({"loss": 0.1}, 5)
    retry.flush()
    assert held(tmp_path) == [("loss", 1, 0.1), ("loss", 2, 0.1), ("loss", 3, 0.1), ("loss", 4, 0.2), ("loss", 5, 0.1)]


def test_eight_writers_at_once_make_one_log(tmp_path: Path) -> None:
    def write(writer: int) -> None:
        mine = spool(tmp_path)
        for step in range(40):
            mine.append({"loss": float(writer)}, step)
            if step % 7 == writer % 7:
                mine.flush()
        mine.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    steps = [step for _, step, _ in held(tmp_path)]
    assert sorted(steps) == list(range(40))


def test_a_damaged_batch_is_skipped_with_a_message(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = spool(tmp_path)
    for step in (1, 2):
        one.append({"loss": 0.5}, step)
        one.flush()
    path = tmp_path / "t/metrics/000000001"
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.9"))
    assert held(tmp_path) == [("loss", 2, 0.5)]
    assert "000000001 skipped" in caplog.text


class FullDisk(LocalStorage):
    full = True

    def create(self, path: str, data: bytes) -> bool:
        if self.full:
            raise StorageFullError("No space left.")
        return super().create(path, data)


def test_a_full_disk_keeps_the_rows_waiting_and_training_going(tmp_path: Path) -> None:
    storage = FullDisk(tmp_path)
    one = MetricSpool(storage, "t/metrics", flush_seconds=0.01)
    one.append({"loss": 0.5}, 1)
    threading.Event().wait(0.05)
    with pytest.raises(StorageFullError):
        one.flush()
    assert len(one.pending()) == 1
    storage.full = False
    one.close()
    assert held(tmp_path) == [("loss", 1, 0.5)]


def test_a_batch_keeps_numbers_to_the_last_bit(tmp_path: Path) -> None:
    rows: list[Row] = [[3, 1_700_000_000_123, {"a": 0.1 + 0.2, "b": 1e-310, "c": float("inf")}]]
    assert decode(encode(rows)) == rows
    assert decode(encode(rows)[:-1]) is None
