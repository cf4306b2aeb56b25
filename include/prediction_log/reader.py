"""Reading the prediction log record by record. For questions to a whole window at once: include/prediction_log/sql_view.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from include.core.errors import DataError
from include.core.time import parse_time
from include.prediction_log.first import Requests
from include.prediction_log.layout import PARQUET, log_files, parquet_files_of, recent, since_text
from include.prediction_log.record import PREDICTION, Record, parse_line

_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?").fullmatch  # as the gateway writes it: compares as text


def read_records(home: Path, model: str, since: str | None = None) -> Iterator[Record]:
    """Every record, duplicates included, in the order of reading; with `since` (ISO 8601, UTC) those written at or after it.

    What is no record is skipped: half a line that a full disk or a power cut left, and what was redacted.
    """
    start = since_text(since)
    for line in _lines(home, model, since, start[:10]):
        record = parse_line(line)
        if record is not None and record.at >= start:
            yield record


def read_requests(home: Path, model: str, start: str, end: str, until: str = "") -> Requests:
    """The requests whose event time is from `start` to before `end` (ISO 8601, UTC, without zone), one record for each.

    With `until` (as `Record.at`) what was written after it is left out, so that the same reading is found again later.
    """
    return Requests.of(_asked(read_records(home, model), start, end, until))


def _asked(records: Iterable[Record], start: str, end: str, until: str) -> Iterator[Record]:
    for record in records:
        if record.kind != PREDICTION or record.score is None or (until and record.at > until):
            continue
        if start <= _event_time(record) < end:
            yield record


def _event_time(record: Record) -> str:
    """In UTC without a zone, as text; empty, which is before everything, where there is none that can be read."""
    text = record.event_time or ""
    if _PLAIN(text):
        return text
    try:
        return parse_time(text).isoformat()
    except DataError:
        return ""


def _lines(home: Path, model: str, since: str | None, first_day: str) -> Iterator[bytes | str]:
    files = log_files(home, model, first_day)
    rotated = {path for path in files if path.suffix == PARQUET}
    written = set(recent((path for path in files if path not in rotated), since))
    for path in files:
        if path in rotated:
            yield from _parquet_lines(path)
        elif path in written:
            yield from _segment_lines(path)


def _segment_lines(path: Path) -> Iterator[bytes | str]:
    try:
        with path.open("rb") as lines:
            yield from lines
    except FileNotFoundError:  # rotated since it was listed
        for copy in parquet_files_of(path):
            yield from _parquet_lines(copy)


def _parquet_lines(path: Path) -> Iterator[str]:
    import pyarrow.parquet as pq

    yield from pq.read_table(path, columns=["record"])["record"].to_pylist()
