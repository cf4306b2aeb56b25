"""Taking a person's requests out of the prediction log: what was asked, answered, told and mirrored under them.

A line that goes is overwritten by blanks where it stands: whoever writes the segment or keeps a place in it (a rollout
counts bytes) is not disturbed, and no reader takes a blank line. A Parquet file is written anew without the row. Doing it
again, or going on after a kill, finds what is still there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from include.prediction_log.writer import Record, folder

Wanted = Callable[[Record], bool]
PASSES = 5  # a segment may be rotated while it is read: what then stands in the new file is found by the next pass


def requests_of(home: Path, model: str, mine: Wanted) -> set[str]:
    """The ids of the predictions that are meant."""
    return {record.id for record in _records(home, model) if record.kind == "prediction" and mine(record)}


def redact(home: Path, model: str, wanted: Wanted) -> int:
    """Overwrite the records that are meant. Returns how many there were; 0 where nothing is left to do."""
    total = 0
    for _ in range(PASSES):
        place = folder(home, model)
        found = sum(_in_segment(path, wanted) for path in sorted(place.glob("*.jsonl")))
        found += sum(_in_parquet(path, wanted) for path in sorted(place.glob("date=*/*.parquet")))
        total += found
        if not found:
            break
    return total


def _records(home: Path, model: str) -> Iterator[Record]:
    decoder = msgspec.json.Decoder(Record)
    place = folder(home, model)
    for path in sorted(place.glob("*.jsonl")):
        try:
            with path.open("rb") as lines:
                yield from _decoded(lines, decoder)
        except FileNotFoundError:  # rotated since: it stands in a Parquet file
            continue
    for path in sorted(place.glob("date=*/*.parquet")):
        yield from _decoded(pq.read_table(path, columns=["record"])["record"].to_pylist(), decoder)


def _decoded(lines: Iterable[bytes | str], decoder: msgspec.json.Decoder[Record]) -> Iterator[Record]:
    for line in lines:
        record = _decode(line, decoder)
        if record is not None:
            yield record


def _decode(line: bytes | str, decoder: msgspec.json.Decoder[Record]) -> Record | None:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError:
        return None


def _in_segment(path: Path, wanted: Wanted) -> int:
    decoder, place, count = msgspec.json.Decoder(Record), 0, 0
    try:
        with path.open("r+b") as file:
            for line in file:
                record = _decode(line, decoder) if line.endswith(b"\n") else None
                if record is not None and wanted(record):
                    os.pwrite(file.fileno(), b" " * (len(line) - 1), place)
                    count += 1
                place += len(line)
            os.fsync(file.fileno())
    except FileNotFoundError:  # rotated since it was listed
        return 0
    return count


def _in_parquet(path: Path, wanted: Wanted) -> int:
    decoder = msgspec.json.Decoder(Record)
    table = pq.read_table(path)
    records = [_decode(line, decoder) for line in table["record"].to_pylist()]
    kept = [record is None or not wanted(record) for record in records]
    if all(kept):
        return 0
    temporary = path.with_suffix(".redacting")
    with temporary.open("wb") as file:
        pq.write_table(table.filter(pa.array(kept)), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return kept.count(False)
