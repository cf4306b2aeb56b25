from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from include.core.settings import Settings
from include.core.spec import Feature
from include.monitoring.prediction_log import log_files, open_log, select
from include.monitoring.window import Window, moment
from include.serving.log import PredictionLog, Record, read_records, segments
from include.serving.rotation import rotate, rotated

INPUTS = (Feature(name="a"), Feature(name="c", dtype="category"))
WEEK = Window(moment("2026-01-01T00:00:00"), moment("2026-01-08T00:00:00"))


def record(number: int, day: int = 1) -> Record:
    at = f"2026-01-0{day}T10:00:00.{number:06d}+00:00"
    features = {"a": 0.1 * number, "c": "ü"}
    return Record(kind="prediction", id=f"r{number}", at=at, event_time=at[:19], features=features, score=0.5, version=3)


def written(home: Path) -> list[Record]:
    """Two days in a closed segment, and one record in a segment that is being written."""
    log = PredictionLog(home, "toy")
    log.write([record(n, day) for day in (1, 2) for n in range(day * 10, day * 10 + 5)])
    log.close()
    with segments(home, "toy")[0].open("ab") as file:
        file.write(b'{"kind":"prediction","id":"half')
    return list(read_records(home, "toy"))


def selection(home: Path) -> object:
    with open_log(log_files(Settings(home=home), "toy"), INPUTS, WEEK) as connection:
        return select(connection, INPUTS)


def test_rotated_records_are_read_as_before(tmp_path: Path) -> None:
    before, chosen = written(tmp_path), selection(tmp_path)
    assert len(before) == 10
    made = rotate(tmp_path, "toy", 0)
    assert [path.parent.name for path in made] == ["date=2026-01-01", "date=2026-01-02"]
    assert segments(tmp_path, "toy") == []
    assert list(read_records(tmp_path, "toy")) == before
    assert [r.id for r in read_records(tmp_path, "toy", since="2026-01-02T00:00:00+00:00")] == [r.id for r in before[5:]]
    assert selection(tmp_path) == chosen
    assert pq.read_table(made[0], columns=["version"])["version"].to_pylist() == [3] * 5


def test_a_segment_that_is_written_is_left_alone(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "toy")
    log.write([record(1)])
    assert rotate(tmp_path, "toy", 0) == []
    log.write([record(2)])
    assert len(list(read_records(tmp_path, "toy"))) == 2
    log.close()
    assert len(rotate(tmp_path, "toy", 0)) == 1


def test_a_young_segment_stays(tmp_path: Path) -> None:
    written(tmp_path)
    assert rotate(tmp_path, "toy", 3600) == []


def test_killed_between_writing_and_removing_nothing_counts_twice(tmp_path: Path) -> None:
    before, chosen = written(tmp_path), selection(tmp_path)
    segment = segments(tmp_path, "toy")[0]
    copy = tmp_path / "copy"
    shutil.copy(segment, copy)
    rotate(tmp_path, "toy", 0)
    shutil.copy(copy, segment)
    assert rotated(tmp_path, "toy") == []
    assert list(read_records(tmp_path, "toy")) == before
    assert selection(tmp_path) == chosen
    rotate(tmp_path, "toy", 0)
    assert list(read_records(tmp_path, "toy")) == before
