"""Reading the prediction log record by record. For questions to a whole window at once: include/prediction_log/sql_view.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from include.core.errors import DataError
from include.core.time import parse_time
from include.prediction_log import shared
from include.prediction_log.first import Requests
from include.prediction_log.layout import PARQUET, folder, parquet_files_of, recent, since_text
from include.prediction_log.record import PREDICTION, Record, parse_line
from include.prediction_log.shared import Where

_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?").fullmatch  # as the gateway writes it: compares as text


def read_records(where: Where, model: str, since: str | None = None) -> Iterator[Record]:
    """Every record, duplicates included, in the order of reading; with `since` (ISO 8601, UTC) those written at or after it.

    What is no record is skipped: half a line that a full disk or a power cut left, and what was redacted. Raises NotReadyError
    where the log is compacted under its eyes.
    """
    start = since_text(since)
    for line in _lines(where, model, since, start[:10]):
        record = parse_line(line)
        if record is not None and record.at >= start:
            yield record


def read_requests(where: Where, model: str, start: str, end: str, until: str = "") -> Requests:
    """The requests whose event time is from `start` to before `end` (ISO 8601, UTC, without zone), one record for each.

    With `until` (as `Record.at`) what was written after it is left out, so that the same reading is found again later.
    """
    return Requests.of(_asked(read_records(where, model), start, end, until))


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


def _lines(where: Where, model: str, since: str | None, first_day: str) -> Iterator[bytes | str]:
    files = shared.files(where, model, first_day)
    # A file of the root was written there, or fetched, at another time than its lines.
    local = [path for path in files if path.suffix != PARQUET and path.parent == folder(_home(where), model)]
    old = {*local} - {*recent(local, since)}
    for path in files:
        if path.suffix == PARQUET:
            try:
                yield from _parquet_lines(path)
            except FileNotFoundError:  # redacted or compacted anew since it was listed
                raise shared.gone(model) from None
        elif path not in old:
            yield from _segment_lines(path, where, model)


def _home(where: Where) -> Path:
    return where if isinstance(where, Path) else where.home


def _segment_lines(path: Path, where: Where, model: str) -> Iterator[bytes | str]:
    try:
        with path.open("rb") as lines:
            yield from lines
    except FileNotFoundError:  # it left this disk since it was listed
        if not isinstance(where, Path):
            raise shared.gone(model) from None
        for copy in parquet_files_of(path):
            yield from _parquet_lines(copy)


def _parquet_lines(path: Path) -> Iterator[str]:
    import pyarrow.parquet as pq

    yield from pq.read_table(path, columns=["record"])["record"].to_pylist()
