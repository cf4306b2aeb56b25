from __future__ import annotations

import threading
from pathlib import Path

from include.core.time import precise
from include.prediction_log.layout import segments
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog


def record(number: int) -> Record:
    return Record(kind="prediction", id=f"r{number}", at=precise(), features={"a": 1.5, "b": None, "c": "x"}, score=0.5)


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "toy")
    first, second = record(1), record(2)
    first.at, second.at = "2026-01-01T00:00:00.000001+00:00", "2026-01-01T00:00:00.000002+00:00"
    log.write([first, second])
    assert list(read_records(tmp_path, "toy")) == [first, second]
    assert list(read_records(tmp_path, "toy", since="2026-01-01T01:00:00.000002+01:00")) == [second]
    assert list(read_records(tmp_path, "nobody")) == []


def test_segments_rotate_by_size_and_lose_nothing(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "toy", segment_bytes=1000)
    for number in range(100):
        log.write([record(number)])
    assert len(segments(tmp_path, "toy")) > 5
    assert all(path.stat().st_size <= 1000 for path in segments(tmp_path, "toy"))
    assert [r.id for r in read_records(tmp_path, "toy")] == [f"r{n}" for n in range(100)]


def test_a_torn_line_is_skipped_and_the_rest_is_read(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "toy")
    log.write([record(1)])
    with segments(tmp_path, "toy")[0].open("ab") as file:
        file.write(b'{"kind":"prediction","id":"half')
    PredictionLog(tmp_path, "toy").write([record(2)])
    assert sorted(r.id for r in read_records(tmp_path, "toy")) == ["r1", "r2"]


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "toy", segment_bytes=20_000)
    threads = [threading.Thread(target=lambda: [log.write([record(n)]) for n in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(read_records(tmp_path, "toy"))) == 800
