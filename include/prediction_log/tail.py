"""Reading the prediction log as it grows: each call returns what was written since the last.

The reader keeps the place: bytes read of each segment. Whoever stores it together with what it made of the
records has read each of them exactly once. A segment that was rotated meanwhile is read on in its Parquet files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from include.core.time import instant, precise
from include.prediction_log.writer import Record, copies, known, parts, recent

PORTION = 16 << 20  # bytes of each segment a call, so that a first look at a long log stays small
Decoder = msgspec.json.Decoder[Record]


def read_tail(home: Path, model: str, since: str, cursor: Mapping[str, int]) -> tuple[list[Record], dict[str, int]]:
    """The next records at or after `since` (ISO 8601, UTC) in the order of their times, and the new cursor.

    No record means that the end was reached. Half a line is left for the next call. A segment that is gone with
    all of its copies leaves the cursor.
    """
    decoder = msgspec.json.Decoder(Record)
    start = precise(instant(since))
    found: list[Record] = []
    places: dict[str, int] = {}
    written, files = parts(home, model, start[:10])
    rotated: dict[str, list[Path]] = {}
    for file in files:
        rotated.setdefault(f"{file.stem}.jsonl", []).append(file)
    for path in recent(written, since):
        try:
            records, places[path.name] = _new(path, cursor.get(path.name, 0), start, decoder)
            found += records
        except FileNotFoundError:  # rotated since it was listed
            rotated[path.name] = copies(path)
    for name, days in rotated.items():
        records, places[name] = _rotated(days, cursor.get(name, 0), decoder)
        found += [record for record in records if record.at >= start]
    return sorted(found, key=lambda record: record.at), places


def _new(path: Path, place: int, start: str, decoder: Decoder) -> tuple[list[Record], int]:
    """What a segment holds from a place on, and the place after it."""
    records, read = _portion(path, place, decoder)
    while read and not any(record.at >= start for record in records):  # an old segment: on to what is asked for
        place += read
        records, read = _portion(path, place, decoder)
    return [record for record in records if record.at >= start], place + read


def _portion(path: Path, place: int, decoder: Decoder) -> tuple[list[Record], int]:
    """Whole lines from a place on, and how many bytes they are."""
    with path.open("rb") as file:
        file.seek(place)
        data = file.read(PORTION)
    whole = data[: data.rfind(b"\n") + 1]
    records = []
    for line in whole.splitlines():
        try:
            records.append(known(decoder.decode(line)))
        except msgspec.DecodeError:  # a full disk or a power cut left half a line
            continue
    return records, len(whole)


def _rotated(days: Iterable[Path], place: int, decoder: Decoder) -> tuple[list[Record], int]:
    """The same of a segment's Parquet files: all at once."""
    import pyarrow.parquet as pq

    records, after = [], place
    for path in days:
        rows = pq.read_table(path, columns=["record", "upto"], filters=[("upto", ">", place)])
        records += [known(decoder.decode(line)) for line in rows["record"].to_pylist()]
        after = max([after, *rows["upto"].to_pylist()])
    return records, after
