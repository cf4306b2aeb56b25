"""What an earlier release made of segments on a gateway's disk, a Parquet file a day: shipped as one file a segment, it goes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from include.core import fault
from include.prediction_log.layout import parquet_files, segments
from include.prediction_log.pieces import reached, shipped, source_of
from include.prediction_log.shared import SharedLog


def ship_rotated(log: SharedLog, model: str) -> int:
    """How many segments' files left this disk. Killed anywhere, the next call goes on; until then readers read them here."""
    written = {segment.stem for segment in segments(log.home, model)}
    waiting: dict[str, list[Path]] = {}
    for path in parquet_files(log.home, model):
        if path.stem not in written:
            waiting.setdefault(path.stem, []).append(path)
    for segment, paths in waiting.items():
        _ship(log, model, segment, paths)
    return len(waiting)


def _ship(log: SharedLog, model: str, segment: str, paths: Iterable[Path]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from include.prediction_log.compaction import create_compacted

    source = source_of(log.home, segment)
    files = list(paths)
    rows = pa.concat_tables([pq.read_table(path, columns=["record", "upto"]) for path in files]).sort_by("upto")
    places = rows["upto"].to_pylist()
    end = places[-1] if places else 0
    lines = zip((line.encode() for line in rows["record"].to_pylist()), places, strict=True)
    if reached(shipped(log.storage, model, source)) < end:
        create_compacted(log, model, source, 0, end, lines)
    fault.point("log.ship.rotated")
    if reached(shipped(log.storage, model, source)) >= end:
        for path in files:
            path.unlink(missing_ok=True)
