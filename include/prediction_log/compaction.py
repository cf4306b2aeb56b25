"""From many small chunks to one Parquet file a segment: what the prediction log in the root becomes once a segment is complete.

A Parquet file has columns to search by, the line itself in `record`, and in `upto` the bytes of the segment up to its end. It is
created whole under a name that says which bytes it holds, and only then the chunks go: killed between the two, both are there,
and readers take each byte once (include/prediction_log/pieces.py). Any number may do it at once.

Bytes that come late, from a gateway that was cut off, are compacted with the rest the next time.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.core import fault
from include.core.errors import one_line
from include.core.time import now
from include.prediction_log.layout import COLUMNS, PARQUET
from include.prediction_log.pieces import Part, Piece, covered, day_path, parts, shipped
from include.prediction_log.record import Record, parse_line
from include.prediction_log.shared import SharedLog, stored

log = logging.getLogger(__name__)
COMPLETE = timedelta(minutes=70)  # a segment is closed after an hour; its last lines are then in the root, too
LEFT = timedelta(days=1)  # then the gateway that wrote it is gone, or has done it
SCHEMA = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()])
FIELDS = [name for name in COLUMNS if name in Record.__struct_fields__]
_DAY = re.compile(r"\d{4}-\d\d-\d\d").fullmatch

Line = tuple[bytes, int]  # without its end, and the place in the segment after that


def compact(
    shared: SharedLog, model: str, older_than: timedelta = COMPLETE, of: Callable[[str], bool] = lambda source: True
) -> list[str]:
    """The paths of the Parquet files made of sources that were opened that long ago, of those that `of` names.

    One that cannot be read is passed over, and logged.
    """
    made = []
    limit = now() - older_than
    for source, some in groupby(sorted(shipped(shared.storage, model), key=_source), key=_source):
        pieces = list(some)
        try:
            if of(source) and opened(source) <= limit and any(not piece.compacted for piece in pieces):
                made += _compact(shared, model, source, pieces)
        except FileNotFoundError:  # another one was faster
            continue
        except Exception as error:  # noqa: BLE001 - a line of a later release, a store that is away: the others go on
            log.warning("%s of %s was not compacted: %s", source, model, one_line(error))
    return made


def opened(source: str) -> datetime:
    """When the segment that a source is was opened, by its writer's clock."""
    try:
        return datetime.strptime(source[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def create_compacted(shared: SharedLog, model: str, source: str, start: int, end: int, lines: Iterable[Line]) -> tuple[str, bool]:
    """Its path, and whether this call made it: a file of those bytes may be there."""
    records = [(record, line, upto) for line, upto in lines if (record := parse_line(line)) is not None]
    days = sorted(day for record, _, _ in records if _DAY(day := record.at[:10])) or [opened(source).date().isoformat()]
    columns = {name: [getattr(record, name) for record, _, _ in records] for name in FIELDS}
    rest = {"record": [line.decode() for _, line, _ in records], "upto": [upto for _, _, upto in records]}
    target = io.BytesIO()
    pq.write_table(pa.table({**columns, **rest}, schema=SCHEMA), target, compression="zstd")
    path = day_path(model, source, start, end, days[0], days[-1])
    return path, shared.storage.create(path, target.getvalue())


def _source(piece: Piece) -> str:
    return piece.source


def _compact(shared: SharedLog, model: str, source: str, pieces: Sequence[Piece]) -> list[str]:
    made = []
    for run in _runs(list(parts(pieces))):
        if len(run) == 1 and run[0].piece.compacted:
            continue
        read = [part.piece for part in run]
        lines = _lines(run, stored(shared, read))
        fault.point("log.compact.read")
        path, mine = create_compacted(shared, model, source, run[0].after, run[-1].piece.end, lines)
        fault.point("log.compact.created")
        there = {piece.path for piece in shipped(shared.storage, model, source)}
        if mine and not there.issuperset(piece.path for piece in read):  # redacted meanwhile: what was read may be more
            shared.storage.delete(path)
            continue
        made.append(path)
    for piece in covered(shipped(shared.storage, model, source)):
        fault.point("log.compact.delete")
        shared.storage.delete(piece.path)
    return made


def _runs(plan: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts without a gap between them: what comes late into a gap must not seem to be there."""
    run: list[Part] = []
    for part in plan:
        if run and part.after != run[-1].piece.end:
            yield run
            run = []
        run.append(part)
    if run:
        yield run


def _lines(run: Sequence[Part], files: Sequence[Path]) -> Iterator[Line]:
    for part, path in zip(run, files, strict=True):
        if path.suffix == PARQUET:
            rows = pq.read_table(path, columns=["record", "upto"], filters=[("upto", ">", part.after)])
            yield from zip((line.encode() for line in rows["record"].to_pylist()), rows["upto"].to_pylist(), strict=True)
            continue
        upto = part.after
        with path.open("rb") as lines:
            lines.seek(part.after - part.piece.start)
            for line in lines:
                upto += len(line)
                yield line.rstrip(b"\n"), upto
