"""Taking a person's requests out of the prediction log: what was asked, answered, told and mirrored under them.

On a disk a line that goes is overwritten by blanks where it stands: whoever writes the segment or keeps a place in it (a
rollout counts bytes) is not disturbed, and no reader takes a blank line. A piece in the storage root is replaced by its next
revision, which is there before the old one goes. Doing it again, or going on after a kill, finds what is still there.

Other gateways' disks are reached by a *wish* in the root: every agent fulfils it on its own disk and on what it has shipped
since. A wish names nobody: it holds digests under the installation's key.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.core import fault
from include.core.time import instant, now, precise
from include.prediction_log.layout import parquet_files, segments
from include.prediction_log.pieces import ROOT, Piece, parts, shipped, source_of
from include.prediction_log.reader import read_records
from include.prediction_log.record import PREDICTION, SHADOW, Record, parse_line
from include.prediction_log.shared import SharedLog, Where, forget, stored

Wanted = Callable[[Record], bool]
PASSES = 5  # a segment may be shipped, a chunk compacted while it is read: what then stands there is found by the next pass
CLOCKS = timedelta(minutes=1)  # by which machines may differ
WISHES = f"{ROOT}/_redactions"  # no model is called so
WISHED = timedelta(days=30)  # for so long a gateway that comes back is told


@dataclass(frozen=True)
class Wish:
    """Whose records are to go: those under a request's id, and what an entity was asked about before the wish was made."""

    model: str
    at: str
    """When it was made, as `Record.at`."""
    ids: frozenset[str]
    """Digests of request ids."""
    units: frozenset[str]
    """Digests of what stands in `unit` for the entities that are meant."""

    def wanted(self, key: bytes) -> Wanted:
        """The records that it means; `key`: that of the installation."""

        until = precise(instant(self.at) + CLOCKS)

        def wanted(record: Record) -> bool:
            if self.units and record.unit and record.kind in (PREDICTION, SHADOW):  # an id may be others' as well
                return record.at <= until and _digest(key, record.unit) in self.units
            return _digest(key, record.id) in self.ids

        return wanted


def requests_of(where: Where, model: str, mine: Wanted) -> set[str]:
    """The ids of the predictions that are meant."""
    return {record.id for record in read_records(where, model) if record.kind == PREDICTION and mine(record)}


def redact(where: Where, model: str, wanted: Wanted, own: bool = False) -> int:
    """Overwrite the records that are meant; with `own` only those that were written on this disk, here and in the root.

    Returns how many there were, one that is on this disk and in the root once; 0 where nothing is left to do.
    """
    total = 0
    for _ in range(PASSES):
        found, changed = _pass(where, model, wanted, own)
        total += found
        if not changed:
            break
    if not isinstance(where, Path):
        forget(where, model, shipped(where.storage, model))
    return total


def wish(log: SharedLog, model: str, key: bytes, ids: Collection[str], units: Collection[str] = ()) -> str:
    """Have every gateway's agent redact what has not left its disk. Returns the wish's path."""
    made = now()
    value = {"at": precise(made), "ids": sorted(_digest(key, each) for each in ids),
             "units": sorted(_digest(key, each) for each in units)}  # fmt: skip
    path = f"{WISHES}/{model}/{made:%Y%m%dT%H%M%S}-{secrets.token_hex(8)}.json"
    log.storage.create(path, json.dumps(value).encode())
    return path


def wishes(log: SharedLog, known: Collection[str] = ()) -> dict[str, Wish]:
    """By their paths: those of the last weeks that are not known yet, of all models."""
    found = {}
    for path in log.storage.list(WISHES):
        if path not in known:
            value = json.loads(log.storage.read(path))
            made = Wish(path.split("/")[2], str(value["at"]), frozenset(value["ids"]), frozenset(value["units"]))
            if instant(made.at) >= now() - WISHED:
                found[path] = made
    return found


def _digest(key: bytes, text: str) -> str:
    return hashlib.blake2b(text.encode(), key=key, digest_size=16).hexdigest()


def _pass(where: Where, model: str, wanted: Wanted, own: bool) -> tuple[int, bool]:
    """How many records went, and whether any file changed."""
    home = where if isinstance(where, Path) else where.home
    written = segments(home, model)
    local = sum(_in_segment(path, wanted) for path in written)
    local += sum(_in_parquet(path, wanted) for path in parquet_files(home, model))  # listed now: one may be new since
    if isinstance(where, Path):
        return local, bool(local)
    here = {source_of(home, path.stem) for path in written}
    counts = _in_root(where, model, wanted, here if own else None)
    counting = {part.piece for part in parts(counts)}
    elsewhere = sum(count for piece, count in counts.items() if piece in counting and piece.source not in here)
    return local + elsewhere, bool(local) or any(counts.values())


def _in_root(log: SharedLog, model: str, wanted: Wanted, sources: Collection[str] | None) -> dict[Piece, int]:
    """How many records went from each piece, of all sources or of some. Pieces that somebody replaced who was then killed are
    removed."""
    latest: dict[tuple[str, int, int, bool], Piece] = {}
    for piece in sorted(shipped(log.storage, model), key=lambda piece: piece.revision):
        if sources is not None and piece.source not in sources:
            continue
        place = piece.source, piece.start, piece.end, piece.compacted
        if place in latest:
            log.storage.delete(latest[place].path)
        latest[place] = piece
    return {piece: _replace(log, piece, wanted) for piece in latest.values()}


def _replace(log: SharedLog, piece: Piece, wanted: Wanted) -> int:
    try:
        (path,) = stored(log, [piece])
        data, count = _without_rows(path, wanted) if piece.compacted else _blanked(path.read_bytes(), wanted)
    except FileNotFoundError:  # compacted since it was listed: the next pass finds its records
        return 0
    if count:
        log.storage.create(piece.revised(), data)
        fault.point("log.redact.revised")
        log.storage.delete(piece.path)
    return count


def _blanked(data: bytes, wanted: Wanted) -> tuple[bytes, int]:
    lines = data.splitlines(keepends=True)
    count = 0
    for place, line in enumerate(lines):
        if _is_wanted(line, wanted):
            lines[place] = b" " * (len(line) - 1) + b"\n"
            count += 1
    return b"".join(lines), count


def _is_wanted(line: bytes, wanted: Wanted) -> bool:
    record = parse_line(line) if line.endswith(b"\n") else None
    return record is not None and wanted(record)


def _in_segment(path: Path, wanted: Wanted) -> int:
    place, count = 0, 0
    try:
        with path.open("r+b") as file:
            for line in file:
                if _is_wanted(line, wanted):
                    os.pwrite(file.fileno(), b" " * (len(line) - 1), place)
                    count += 1
                place += len(line)
            os.fsync(file.fileno())
    except FileNotFoundError:  # it left this disk since it was listed
        return 0
    return count


def _in_parquet(path: Path, wanted: Wanted) -> int:
    try:
        data, count = _without_rows(path, wanted)
    except FileNotFoundError:  # shipped since it was listed
        return 0
    if not count:
        return 0
    temporary = path.with_suffix(".redacting")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return count


def _without_rows(path: Path, wanted: Wanted) -> tuple[bytes, int]:
    """The file anew without the rows that are meant, and how many those are."""
    table = pq.read_table(path)
    kept = _kept(table["record"].to_pylist(), wanted)
    if all(kept):
        return b"", 0
    target = io.BytesIO()
    pq.write_table(table.filter(pa.array(kept)), target, compression="zstd")
    return target.getvalue(), kept.count(False)


def _kept(lines: Iterable[str], wanted: Wanted) -> list[bool]:
    records = [parse_line(line) for line in lines]
    return [record is None or not wanted(record) for record in records]
