"""What releases before logs were shipped made of a segment: one Parquet file a day on the gateway's disk, the segment removed."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.prediction_log.layout import COLUMNS, parquet_file, segments
from include.prediction_log.record import Record, parse_line
from include.prediction_log.shipping import left_alone

SCHEMA = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()])
FIELDS = [name for name in COLUMNS if name in Record.__struct_fields__]


def rotate(home: Path, model: str, older_than: float) -> list[Path]:
    """The Parquet files made of segments that nobody has written to for that many seconds. Any number may do it at once."""
    made = []
    for segment in segments(home, model):
        with suppress(FileNotFoundError):  # another one was faster
            if time.time() - segment.stat().st_mtime >= older_than:
                with left_alone(segment) as left:
                    if left:
                        made += _convert(segment)
                        segment.unlink()
    return made


def _convert(segment: Path) -> list[Path]:
    days: dict[str, list[tuple[Record, str, int]]] = {}
    upto = 0
    with segment.open("rb") as lines:
        for line in lines:
            upto += len(line)
            record = parse_line(line)
            if record is not None:
                days.setdefault(record.at[:10], []).append((record, line.decode().rstrip("\n"), upto))
    return [_write(segment, day, records) for day, records in sorted(days.items())]


def _write(segment: Path, day: str, records: list[tuple[Record, str, int]]) -> Path:
    """Whole under its name, or not there; on the disk before the segment goes."""
    target = parquet_file(segment, day)
    target.parent.mkdir(exist_ok=True)
    columns = {name: [getattr(record, name) for record, _, _ in records] for name in FIELDS}
    lines = {"record": [line for _, line, _ in records], "upto": [upto for _, _, upto in records]}
    temporary = target.with_suffix(".tmp")
    with temporary.open("wb") as file:
        pq.write_table(pa.table({**columns, **lines}, schema=SCHEMA), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    for changed in (target.parent, segment.parent):
        _sync(changed)
    return target


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
