"""Reading the log on: each record once, in the order of time, whatever the portions."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.prediction_log import tail
from include.prediction_log.record import Record
from include.prediction_log.tail import read_tail
from include.prediction_log.writer import PredictionLog
from tests.support.rotated_log import rotate

SINCE = "2020-01-01T00:00:00+00:00"


def at(second: int) -> str:
    return f"2020-01-01T00:{second // 60:02d}:{second % 60:02d}.000000+00:00"


def write(home: Path, seconds: list[int]) -> None:
    log = PredictionLog(home, "toy")
    log.write([Record("prediction", str(second), at(second)) for second in seconds])
    log.close()


def ids(records: list[Record]) -> list[int]:
    return [int(record.id) for record in records]


def test_each_record_is_read_once_and_workers_are_merged_by_time(tmp_path: Path) -> None:
    write(tmp_path, [1, 4])
    write(tmp_path, [2, 3])
    records, cursor = read_tail(tmp_path, "toy", SINCE, {})
    assert ids(records) == [1, 2, 3, 4]
    assert read_tail(tmp_path, "toy", SINCE, cursor) == ([], cursor)
    write(tmp_path, [5])
    assert ids(read_tail(tmp_path, "toy", SINCE, cursor)[0]) == [5]


def test_half_a_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    write(tmp_path, [1, 2])
    (segment,) = (tmp_path / "predictions" / "toy").glob("*.jsonl")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-5])
    records, cursor = read_tail(tmp_path, "toy", SINCE, {})
    assert ids(records) == [1]
    segment.write_bytes(whole)
    assert ids(read_tail(tmp_path, "toy", SINCE, cursor)[0]) == [2]


def test_what_was_written_before_is_passed_by_in_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, list(range(100)))
    monkeypatch.setattr(tail, "PORTION", 200)
    seen: list[int] = []
    cursor: dict[str, int] = {}
    while True:
        records, cursor = read_tail(tmp_path, "toy", at(90), cursor)
        if not records:
            break
        seen += ids(records)
    assert seen == list(range(90, 100))


def test_a_segment_that_is_gone_leaves_the_cursor(tmp_path: Path) -> None:
    write(tmp_path, [1])
    _, cursor = read_tail(tmp_path, "toy", SINCE, {})
    (segment,) = (tmp_path / "predictions" / "toy").glob("*.jsonl")
    segment.unlink()
    assert read_tail(tmp_path, "toy", SINCE, cursor) == ([], {})


def test_a_segment_that_was_rotated_is_read_on_where_it_was_left(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "toy")
    log.write([Record("prediction", str(second), at(second)) for second in (1, 2)])
    records, cursor = read_tail(tmp_path, "toy", SINCE, {})
    log.write([Record("prediction", str(second), at(second)) for second in (3, 4)])
    log.close()
    (segment,) = (tmp_path / "predictions" / "toy").glob("*.jsonl")
    whole = segment.read_bytes()
    segment.write_bytes(whole[: whole.find(b"\n") + 1] + b'{"torn\n' + whole[whole.find(b"\n") + 1 :])
    shifted = {name: place + len(b'{"torn\n') for name, place in cursor.items()}
    rotate(tmp_path, "toy", 0)
    assert ids(records) == [1, 2]
    found, after = read_tail(tmp_path, "toy", SINCE, shifted)
    assert ids(found) == [3, 4]
    assert read_tail(tmp_path, "toy", SINCE, after) == ([], after)
    assert ids(read_tail(tmp_path, "toy", at(4), {})[0]) == [4]
