"""Of several records with one id the same one counts for every reader, wherever and in whichever order the records lie."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from include.core.spec import Feature, ModelSpec
from include.core.storage import LocalStorage
from include.data.window import Window, moment
from include.features.skew_step import read_sample
from include.features.withdrawn_step import snapshot as withdrawn
from include.prediction_log.layout import folder, log_files, segments
from include.prediction_log.reader import read_requests
from include.prediction_log.record import Record
from include.prediction_log.redaction import redact
from include.prediction_log.shared import SharedLog
from include.prediction_log.sql_view import open_log
from include.prediction_log.tail import read_tail
from tests.support.rotated_log import rotate
from tests.support.shop import SPEC

INPUTS = (Feature(name="a"),)
START, END = "2026-01-01T00:00:00", "2026-01-08T00:00:00"
EARLY, LATE = "2026-01-02T10:00:00.000001+00:00", "2026-01-02T10:00:00.000002+00:00"
FIRST, SECOND = 1, 2  # the version that answered first, and the one that answered the repeated request


def line(at: str, version: int, text: str = "ü", unit: str = "u") -> bytes:
    """A request of id `x`; the later one's line sorts first as text."""
    features: dict[str, float | str | None] = {"a": 0.5, "text": text}
    event = f"2026-01-02T09:00:00.00000{3 - version}"
    record = Record("prediction", "x", at, event, unit, {}, features, version, score=version / 10, generation=1)
    return msgspec.json.encode(record) + b"\n"


def put(home: Path, stem: str, *lines: bytes) -> Path:
    path = folder(home, "toy") / f"{stem}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def rotated(home: Path, stem: str, *lines: bytes) -> None:
    """Only this segment as Parquet."""
    others = home / "others"
    place = folder(home, "toy")
    place.mkdir(parents=True, exist_ok=True)
    others.mkdir()
    for path in segments(home, "toy"):
        path.rename(others / path.name)
    put(home, stem, *lines)
    rotate(home, "toy", -1)
    for path in others.iterdir():
        path.rename(place / path.name)
    others.rmdir()


def one_segment(home: Path) -> None:
    put(home, "20260102-000000-1", line(LATE, SECOND), line(EARLY, FIRST))


def two_segments(home: Path) -> None:
    put(home, "20260102-000000-1", line(LATE, SECOND))
    put(home, "20260102-000000-2", line(EARLY, FIRST))


def the_later_is_parquet(home: Path) -> None:
    rotated(home, "20260102-000000-1", line(LATE, SECOND))
    put(home, "20260102-000000-2", line(EARLY, FIRST))


def the_earlier_is_parquet(home: Path) -> None:
    rotated(home, "20260102-000000-2", line(EARLY, FIRST))
    put(home, "20260102-000000-1", line(LATE, SECOND))


def both_are_parquet(home: Path) -> None:
    two_segments(home)
    rotate(home, "toy", -1)


def a_segment_that_shows_late(home: Path) -> None:
    """A slow worker's: its name is the newest, its record the oldest."""
    two_segments(home)
    for path in segments(home, "toy"):
        path.rename(path.with_stem(f"2026010{9 - int(path.stem[-1])}-000000-1"))


def a_crashed_segment(home: Path) -> None:
    """The disk took half a line, up to the middle of a character; the writer went on in a segment of its own."""
    half = line(EARLY, SECOND)
    put(home, "20260102-000000-1", line(LATE, SECOND), half[: half.index("ü".encode()) + 1])
    put(home, "20260102-000000-2", b'{"torn\n', line(EARLY, FIRST))


def a_crashed_rotation(home: Path) -> None:
    """Killed between the Parquet file and the removal of its segment, both are there."""
    path = put(home, "20260102-000000-2", line(EARLY, FIRST))
    copy = shutil.copy(path, home / "copy")
    rotate(home, "toy", -1)
    shutil.move(copy, path)
    put(home, "20260102-000000-1", line(LATE, SECOND))


def a_redacted_neighbour(home: Path) -> None:
    """The very first record was taken out: the first of those that are left counts, in Parquet and in segments."""
    put(home, "20260102-000000-1", line("2026-01-02T10:00:00.000000+00:00", 3), line(LATE, SECOND))
    put(home, "20260102-000000-2", line(EARLY, FIRST))
    redact(home, "toy", lambda record: record.version == 3)


def a_redacted_parquet_file(home: Path) -> None:
    put(home, "20260102-000000-1", line("2026-01-02T10:00:00.000000+00:00", 3), line(LATE, SECOND))
    rotate(home, "toy", -1)
    redact(home, "toy", lambda record: record.version == 3)
    put(home, "20260102-000000-2", line(EARLY, FIRST))


def of_one_moment(home: Path) -> None:
    """Then the order of the segments decides, and not the text of the lines."""
    put(home, "20260102-000000-2", line(EARLY, SECOND, "a"))
    put(home, "20260102-000000-1", line(EARLY, FIRST, "b"))


def of_one_moment_in_one_segment(home: Path) -> None:
    put(home, "20260102-000000-1", line(EARLY, FIRST, "b"), line(EARLY, SECOND, "a"))


def of_one_moment_the_second_is_parquet(home: Path) -> None:
    rotated(home, "20260102-000000-2", line(EARLY, SECOND, "a"))
    put(home, "20260102-000000-1", line(EARLY, FIRST, "b"))


PLACES = (
    one_segment,
    two_segments,
    the_later_is_parquet,
    the_earlier_is_parquet,
    both_are_parquet,
    a_segment_that_shows_late,
    a_crashed_segment,
    a_crashed_rotation,
    a_redacted_neighbour,
    a_redacted_parquet_file,
    of_one_moment,
    of_one_moment_in_one_segment,
    of_one_moment_the_second_is_parquet,
)


def log_in(home: Path) -> SharedLog:
    return SharedLog(home, LocalStorage(home / "store"))


def by_records(home: Path) -> list[int | None]:
    return [record.version for record in read_requests(home, "toy", START, END).first.values()]


def by_sql(home: Path) -> list[int | None]:
    with open_log(log_files(home, "toy"), INPUTS, Window(moment(START), moment(END))) as connection:
        return [row[0] for row in connection.execute("SELECT version FROM log WHERE turn = 1").fetchall()]


def by_tail(home: Path) -> list[int | None]:
    return [record.version for record in read_tail(home, "toy", START, {})[0] if record.id == "x"][:1]


def by_skew(home: Path) -> list[int | None]:
    sample = read_sample(log_in(home), "toy", datetime.fromisoformat(START), datetime.fromisoformat(END))
    assert (sample.requests, sample.contested) == (1, 0)
    return [record.version for record in sample.records]


def by_training_set(home: Path) -> list[int | None]:
    """The versions whose withdrawal leaves the request out."""
    spec = SPEC.model_copy(update={"name": "toy"})
    return [version for version in (FIRST, SECOND, 3) if left_out(home, spec, version)]


def left_out(home: Path, spec: ModelSpec, version: int) -> bool:
    none = withdrawn(log_in(home), spec, END, []).params["log"]
    return bool(withdrawn(log_in(home), spec, END, [version]).params["log"] != none)


@pytest.mark.parametrize("read", [by_records, by_sql, by_tail, by_skew, by_training_set])
@pytest.mark.parametrize("lay", PLACES)
def test_the_same_record_counts_for_every_reader(
    tmp_path: Path, lay: Callable[[Path], None], read: Callable[[Path], list[int | None]]
) -> None:
    lay(tmp_path)
    assert read(tmp_path) == [FIRST]


@pytest.mark.parametrize("lay", PLACES)
def test_rotation_changes_no_reader_s_answer(tmp_path: Path, lay: Callable[[Path], None]) -> None:
    lay(tmp_path)
    rotate(tmp_path, "toy", -1)
    assert segments(tmp_path, "toy") == []
    assert by_records(tmp_path) == by_sql(tmp_path) == by_tail(tmp_path) == [FIRST]


def test_an_id_that_two_entities_were_asked_about_is_contested_for_every_reader(tmp_path: Path) -> None:
    put(tmp_path, "20260102-000000-1", line(LATE, SECOND, unit="v"), line(EARLY, FIRST, unit="u"))
    requests = read_requests(tmp_path, "toy", START, END)
    assert requests.contested == {"x"}
    assert requests.undisputed == []
    assert by_sql(tmp_path) == []
    sample = read_sample(log_in(tmp_path), "toy", datetime.fromisoformat(START), datetime.fromisoformat(END))
    assert (sample.requests, sample.contested, sample.records) == (1, 1, [])


def test_a_contested_id_is_contested_again_in_a_reading_up_to_the_same_moment(tmp_path: Path) -> None:
    """The reading's bound is that of all records that say what counts, not of the first of each id."""
    put(tmp_path, "20260102-000000-1", line(LATE, SECOND, unit="v"), line(EARLY, FIRST, unit="u"))
    requests = read_requests(tmp_path, "toy", START, END)
    assert requests.last_written == LATE
    assert read_requests(tmp_path, "toy", START, END, requests.last_written).contested == {"x"}


def test_times_with_an_offset_are_of_the_same_window_for_every_reader(tmp_path: Path) -> None:
    """No gateway writes them so; a log that was put together by hand may."""
    inside = line(EARLY, FIRST).replace(b"2026-01-02T09:00:00.000002", b"2026-01-08T01:00:00+02:00")
    outside = line(EARLY, SECOND).replace(b"2026-01-02T09:00:00.000001", b"2026-01-07T23:00:00-02:00").replace(b'"x"', b'"y"')
    put(tmp_path, "20260102-000000-1", outside, inside)
    assert by_records(tmp_path) == by_sql(tmp_path) == [FIRST]
