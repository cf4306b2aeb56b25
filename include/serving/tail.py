"""Reading the prediction log as it grows: each call returns what was written since the last.

The reader keeps the place: bytes read of each segment. Whoever stores it together with what it made of the
records has read each of them exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from include.serving.log import Record, segments

PORTION = 16 << 20  # bytes of each segment a call, so that a first look at a long log stays small


def read_tail(home: Path, model: str, since: str, cursor: Mapping[str, int]) -> tuple[list[Record], dict[str, int]]:
    """The next records at or after `since` (ISO 8601, UTC) in the order of their times, and the new cursor.

    No record means that the end was reached. Half a line is left for the next call. A segment that is gone
    (it was rotated away) leaves the cursor.
    """
    decoder = msgspec.json.Decoder(Record)
    start = datetime.fromisoformat(since).astimezone(UTC).isoformat(timespec="microseconds")
    found: list[Record] = []
    places: dict[str, int] = {}
    for path in segments(home, model, since):
        place = cursor.get(path.name, 0)
        records, read = _portion(path, place, decoder)
        while read and not any(record.at >= start for record in records):  # an old segment: on to what is asked for
            place += read
            records, read = _portion(path, place, decoder)
        places[path.name] = place + read
        found += [record for record in records if record.at >= start]
    return sorted(found, key=lambda record: record.at), places


def _portion(path: Path, place: int, decoder: msgspec.json.Decoder[Record]) -> tuple[list[Record], int]:
    """Whole lines from a place on, and how many bytes they are."""
    with path.open("rb") as file:
        file.seek(place)
        data = file.read(PORTION)
    whole = data[: data.rfind(b"\n") + 1]
    records = []
    for line in whole.splitlines():
        try:
            records.append(decoder.decode(line))
        except msgspec.DecodeError:  # a full disk or a power cut left half a line
            continue
    return records, len(whole)
