from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from include.prediction_log.layout import PARQUET, folder, log_files, models, new_segment_names, parquet_files


def place(home: Path, name: str) -> Path:
    path = folder(home, "toy") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_order_of_reading_is_that_of_the_segments_whatever_they_are_by_now(tmp_path: Path) -> None:
    newest = place(tmp_path, "20260103-000000-1.jsonl")
    other_day = place(tmp_path, "date=2026-01-03/20260102-000000-7.parquet")
    oldest = place(tmp_path, "20260101-000000-9.jsonl")
    middle = place(tmp_path, "date=2026-01-02/20260102-000000-7.parquet")
    copy = place(tmp_path, "date=2026-01-01/20260101-000000-9.parquet")
    assert log_files(tmp_path, "toy") == [oldest, middle, other_day, newest]
    assert log_files(tmp_path, "toy", "2026-01-03") == [oldest, other_day, newest]
    assert [path for path in log_files(tmp_path, "toy") if path.suffix == PARQUET] == [middle, other_day]
    assert parquet_files(tmp_path, "toy") == [copy, middle, other_day]
    assert models(tmp_path) == ["toy"]


def test_segments_of_one_second_are_read_in_the_order_in_which_they_were_opened(tmp_path: Path) -> None:
    names = new_segment_names(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 77, "0123456789abcdef")
    made = [place(tmp_path, next(names)) for _ in range(12)]
    assert [path.name for path in made[:2]] == [
        "20260102-030405-77-0123456789abcdef.jsonl",
        "20260102-030405-77-0123456789abcdef-0001.jsonl",
    ]
    assert log_files(tmp_path, "toy") == made
