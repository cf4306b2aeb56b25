"""Where the prediction log is on the disk, and in which order its files are read.

    <home>/predictions/{model}/{segment}.jsonl                     {YYYYMMDD-HHMMSS-pid-gateway[-NNNN]}: one process writes it
    <home>/predictions/{model}/date=YYYY-MM-DD/{segment}.parquet   what an earlier release made of one

What leaves the disk, and when: include/prediction_log/pieces.py. Names of segments of earlier releases lack the gateway.

The order of reading is that of the segments' names, whatever they are by now, then of the days, then of the lines: neither
rotation nor shipping changes a reader's order. Segments are always listed before Parquet files, so that one that is rotated
meanwhile is found at least once; a segment that is still there counts, not its Parquet files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from include.core.time import instant, precise

SEGMENT, PARQUET, DAY = ".jsonl", ".parquet", "date="

# The columns of a rotated file, by Arrow's names of the types. All but the last two are the record's fields, to search by.
COLUMNS = {
    "kind": "string",
    "id": "string",
    "at": "string",
    "event_time": "string",
    "unit": "string",
    "version": "int64",
    "arm": "string",
    "score": "double",
    "label": "double",
    "generation": "int64",
    "error": "string",
    "decision": "int64",  # this and the next two are not in files of before there were kinds of problems
    "place": "int64",
    "label_class": "string",
    "record": "string",  # the line itself
    "upto": "int64",  # bytes of the segment up to the line's end
}


def folder(home: Path, model: str) -> Path:
    """The log of a model."""
    return home / "predictions" / model


def models(home: Path) -> list[str]:
    """The models that have a log, sorted."""
    return sorted(path.name for path in (home / "predictions").glob("*") if path.is_dir())


def new_segment_names(at: datetime, pid: int, gateway: str) -> Iterator[str]:
    """File names for a segment that a process of that gateway opens, of which it takes the first that is free."""
    stem = f"{at:%Y%m%d-%H%M%S}-{pid}-{gateway}"
    yield f"{stem}{SEGMENT}"
    for number in range(1, 10_000):
        yield f"{stem}-{number:04d}{SEGMENT}"


def segments(home: Path, model: str, since: str | None = None) -> list[Path]:
    """The segments that are not rotated yet; with `since` (ISO 8601, UTC) only those written to at or after it."""
    return recent(sorted(folder(home, model).glob(f"*{SEGMENT}"), key=_place), since)


def log_files(home: Path, model: str, first_day: str = "") -> list[Path]:
    """Segments, and the Parquet files from that day (YYYY-MM-DD) on of segments that are gone, in the order of reading."""
    written = segments(home, model)
    names = {segment.stem for segment in written}
    days = (day for day in folder(home, model).glob(f"{DAY}*") if day.name.removeprefix(DAY) >= first_day)
    rotated = [path for day in days for path in day.glob(f"*{PARQUET}") if path.stem not in names]
    return sorted([*written, *rotated], key=_place)


def parquet_file(segment: Path, day: str) -> Path:
    """What a segment's records of a day (YYYY-MM-DD) become."""
    return segment.parent / f"{DAY}{day}" / f"{segment.stem}{PARQUET}"


def parquet_files(home: Path, model: str) -> list[Path]:
    """Every Parquet file, those of segments that are still there included: a rotation that was killed leaves such."""
    return sorted(folder(home, model).glob(f"{DAY}*/*{PARQUET}"), key=_place)


def parquet_files_of(segment: Path) -> list[Path]:
    """The Parquet files that there are of a segment, oldest day first."""
    return sorted(segment.parent.glob(f"{DAY}*/{segment.stem}{PARQUET}"))


def day_of(path: Path) -> str:
    """The day (YYYY-MM-DD) of a Parquet file's records."""
    return path.parent.name.removeprefix(DAY)


def segment_name(path: Path) -> str:
    """The file name of the segment that a file of the log is, or was."""
    return f"{path.stem}{SEGMENT}"


def recent(files: Iterable[Path], since: str | None) -> list[Path]:
    """Those written to at or after `since` (ISO 8601, UTC). One that was rotated since it was listed is kept."""
    if since is None:
        return list(files)
    start = instant(since).timestamp() - 1  # a file's time comes from a coarser clock than a record's
    return [file for file in files if _written(file) >= start]


def since_text(since: str | None) -> str:
    """`since` as `Record.at` is written, to compare with it; empty for None."""
    return precise(instant(since)) if since else ""


def _place(path: Path) -> tuple[str, str]:
    return path.stem, path.parent.name


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
