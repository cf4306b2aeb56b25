from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from include.core.errors import NotReadyError
from include.core.spec import Feature
from include.data.window import Window, moment
from include.prediction_log.layout import PARQUET, log_files, segments
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.sql_view import open_log, select
from include.prediction_log.tail import read_tail
from include.prediction_log.writer import PredictionLog
from tests.support.rotated_log import rotate

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
    with open_log(log_files(home, "toy"), INPUTS, WEEK) as connection:
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
    assert [path for path in log_files(tmp_path, "toy") if path.suffix == PARQUET] == []
    assert list(read_records(tmp_path, "toy")) == before
    assert selection(tmp_path) == chosen
    rotate(tmp_path, "toy", 0)
    assert list(read_records(tmp_path, "toy")) == before


@pytest.mark.parametrize("step", ["fsync", "replace", "unlink"])
@pytest.mark.parametrize("done", [False, True])
def test_killed_at_any_step_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    """Dies just before the step's n-th call, or just after; then rotates again."""
    before, chosen = written(tmp_path), selection(tmp_path)
    place = os if step == "fsync" else Path
    for time in range(1, 9):
        calls, real = [0], getattr(place, step)

        def dying(*given: Any, real: Any = real, calls: list[int] = calls, time: int = time, **named: Any) -> Any:
            calls[0] += 1
            if calls[0] == time and not done:
                raise KeyboardInterrupt
            value = real(*given, **named)
            if calls[0] == time:
                raise KeyboardInterrupt
            return value

        with monkeypatch.context() as patch:
            patch.setattr(place, step, dying)
            with suppress(KeyboardInterrupt):
                rotate(tmp_path, "toy", 0)
        assert list(read_records(tmp_path, "toy")) == before
        assert selection(tmp_path) == chosen
        assert read_tail(tmp_path, "toy", "2026-01-01T00:00:00+00:00", {})[0] == before
    rotate(tmp_path, "toy", 0)
    assert segments(tmp_path, "toy") == []
    assert list(read_records(tmp_path, "toy")) == before


def test_readers_beside_many_rotations_see_every_record_once(tmp_path: Path) -> None:
    for number in range(30):
        log = PredictionLog(tmp_path, "toy")
        log.write([record(number, day) for day in (1, 2, 3)])
        log.close()
    before = sorted(r.id + r.at for r in read_records(tmp_path, "toy"))
    rotations = [threading.Thread(target=rotate, args=(tmp_path, "toy", 0)) for _ in range(3)]
    for each in rotations:
        each.start()
    while any(each.is_alive() for each in rotations):
        assert sorted(r.id + r.at for r in read_records(tmp_path, "toy")) == before
        assert sorted(r.id + r.at for r in read_tail(tmp_path, "toy", "2026-01-01T00:00:00+00:00", {})[0]) == before
    assert segments(tmp_path, "toy") == []
    assert sorted(r.id + r.at for r in read_records(tmp_path, "toy")) == before


def test_a_window_whose_segment_goes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    written(tmp_path)
    listed = log_files(tmp_path, "toy")
    rotate(tmp_path, "toy", 0)
    with pytest.raises(NotReadyError, match="rotated while it was read"):
        open_log(listed, INPUTS, WEEK)
    assert selection(tmp_path)


def test_what_other_kinds_of_problem_log_is_kept_and_can_be_searched_by(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "toy")
    said = Record(
        "prediction", "r1", "2026-01-01T10:00:00.000000+00:00", score=0.5, outputs=[0.5, 0.25, 0.25], decision=0, place=3
    )
    log.write([said, Record("label", "r1", "2026-01-02T10:00:00.000000+00:00", label_class="late")])
    log.close()
    before = list(read_records(tmp_path, "toy"))
    first, second = rotate(tmp_path, "toy", 0)
    assert list(read_records(tmp_path, "toy")) == before
    assert pq.read_table(first, columns=["decision", "place"]).to_pylist() == [{"decision": 0, "place": 3}]
    assert pq.read_table(second, columns=["label_class"])["label_class"].to_pylist() == ["late"]


@pytest.mark.parametrize("former", [0, 1], ids=["an older file first", "an older file last"])
def test_files_of_before_there_were_kinds_are_read_beside_those_of_today(tmp_path: Path, former: int) -> None:
    before, chosen = written(tmp_path), selection(tmp_path)
    made = rotate(tmp_path, "toy", 0)
    old = pq.read_table(made[former]).drop_columns(["decision", "place", "label_class"])
    pq.write_table(old, made[former])
    assert list(read_records(tmp_path, "toy")) == before
    assert selection(tmp_path) == chosen
