"""Taking a person's requests out of the prediction log: what was asked, answered, told and mirrored under them.

A line that goes is overwritten by blanks where it stands: whoever writes the segment or keeps a place in it (a rollout
counts bytes) is not disturbed, and no reader takes a blank line. A Parquet file is written anew without the row. Doing it
again, or going on after a kill, finds what is still there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.prediction_log.layout import parquet_files, segments
from include.prediction_log.reader import read_records
from include.prediction_log.record import PREDICTION, Record, parse_line

Wanted = Callable[[Record], bool]
PASSES = 5  # a segment may be rotated while it is read: what then stands in the new file is found by the next pass


def requests_of(home: Path, model: str, mine: Wanted) -> set[str]:
    """The ids of the predictions that are meant."""
    return {record.id for record in read_records(home, model) if record.kind == PREDICTION and mine(record)}


def redact(home: Path, model: str, wanted: Wanted) -> int:
    """Overwrite the records that are meant. Returns how many there were; 0 where nothing is left to do."""
    total = 0
    for _ in range(PASSES):
        found = sum(_in_segment(path, wanted) for path in segments(home, model))
        found += sum(_in_parquet(path, wanted) for path in parquet_files(home, model))  # listed now: one may be new since
        total += found
        if not found:
            break
    return total


def _in_segment(path: Path, wanted: Wanted) -> int:
    place, count = 0, 0
    try:
        with path.open("r+b") as file:
            for line in file:
                record = parse_line(line) if line.endswith(b"\n") else None
                if record is not None and wanted(record):
                    os.pwrite(file.fileno(), b" " * (len(line) - 1), place)
                    count += 1
                place += len(line)
            os.fsync(file.fileno())
    except FileNotFoundError:  # rotated since it was listed
        return 0
    return count


def _in_parquet(path: Path, wanted: Wanted) -> int:
    table = pq.read_table(path)
    records = [parse_line(line) for line in table["record"].to_pylist()]
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
