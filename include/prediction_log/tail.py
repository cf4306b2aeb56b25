"""Reading the prediction log as it grows: each call returns what was written since the last.

The reader keeps the place: bytes read of each segment. Whoever stores it together with what it made of the
records has read each of them exactly once. A segment that was rotated meanwhile is read on in its Parquet files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from include.prediction_log.layout import PARQUET, log_files, parquet_files_of, recent, segment_name, since_text
from include.prediction_log.record import Record, parse_line

PORTION = 16 << 20  # bytes of each segment a call, so that a first look at a long log stays small


def read_tail(
    home: Path, model: str, since: str, cursor: Mapping[str, int], portion: int = PORTION
) -> tuple[list[Record], dict[str, int]]:
    """The next records at or after `since` (ISO 8601, UTC) and the new cursor; at most so many bytes of each segment.

    They are sorted by their times, those of one moment in the order of reading: of one id the record that counts comes first
    (include/prediction_log/first.py), unless its writer was so slow that a repeated request was read in a call before.
    No record means that the end was reached. Half a line is left for the next call. A segment that is gone with
    all of its Parquet files leaves the cursor.
    """
    start = since_text(since)
    found: list[Record] = []
    places: dict[str, int] = {}
    for name, files in _by_segment(log_files(home, model, start[:10]), since).items():
        records, places[name] = _read_on(files, cursor.get(name, 0), start, portion)
        found += records
    return sorted(found, key=lambda record: record.at), places


def _by_segment(files: Iterable[Path], since: str) -> dict[str, list[Path]]:
    """The files to read, by segment in the order of reading: a segment itself, or its Parquet files."""
    found: dict[str, list[Path]] = {}
    for path in files:
        if path.suffix == PARQUET or recent([path], since):
            found.setdefault(segment_name(path), []).append(path)
    return found


def _read_on(files: list[Path], place: int, start: str, portion: int) -> tuple[list[Record], int]:
    """What a segment holds from a place on, and the place after it."""
    if files[0].suffix == PARQUET:
        return _rotated(files, place, start)
    try:
        return _new(files[0], place, start, portion)
    except FileNotFoundError:  # rotated since it was listed
        return _rotated(parquet_files_of(files[0]), place, start)


def _new(path: Path, place: int, start: str, portion: int) -> tuple[list[Record], int]:
    records, read = _portion(path, place, portion)
    while read and not any(record.at >= start for record in records):  # an old segment: on to what is asked for
        place += read
        records, read = _portion(path, place, portion)
    return [record for record in records if record.at >= start], place + read


def _portion(path: Path, place: int, portion: int) -> tuple[list[Record], int]:
    """The records of whole lines from a place on, and how many bytes those lines are."""
    with path.open("rb") as file:
        file.seek(place)
        data = file.read(portion)
    whole = data[: data.rfind(b"\n") + 1]
    parsed = map(parse_line, whole.splitlines())
    return [record for record in parsed if record is not None], len(whole)


def _rotated(days: Iterable[Path], place: int, start: str) -> tuple[list[Record], int]:
    """The same of a segment's Parquet files: all at once."""
    import pyarrow.parquet as pq

    records, after = [], place
    for path in days:
        rows = pq.read_table(path, columns=["record", "upto"], filters=[("upto", ">", place)])
        parsed = map(parse_line, rows["record"].to_pylist())
        records += [record for record in parsed if record is not None and record.at >= start]
        after = max([after, *rows["upto"].to_pylist()])
    return records, after
