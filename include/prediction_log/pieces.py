"""The prediction log in the storage root: which pieces of which segments are there, and which bytes of each count.

    predictions/{model}/chunks/{source}/{from}-{to}[.{revision}].jsonl               bytes of a segment as they were written
    predictions/{model}/days/YYYY-MM-DD/{source}.{from}-{to}[.{revision}].{last day}.parquet   the same, compacted

A *source* is a segment of one gateway: its name holds the gateway's number (include/core/machine.py). A piece never changes:
one that was redacted is another, of the next revision. The bytes of a segment are the same whoever ships them, so pieces may
overlap: two shippers of a copied home, a compaction that was killed before it removed its chunks. Which bytes count follows from
the names alone: walking a source from its first byte, the piece that reaches furthest, of its latest revision. Each byte then
counts once, however many pieces hold it.

Chunks are listed before days: what is compacted meanwhile is found at least once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from include.core.machine import first_id
from include.core.storage import Storage

ROOT = "predictions"
DIGITS = 12  # of a place in a segment: names sort as places do
_CHUNK = re.compile(r"(?P<source>[^/]+)/(?P<start>\d+)-(?P<end>\d+)(?:\.(?P<revision>\d+))?\.jsonl")
_DAY = re.compile(
    r"(?P<first>\d{4}-\d\d-\d\d)/(?P<source>[^/]+)\.(?P<start>\d+)-(?P<end>\d+)(?:\.(?P<revision>\d+))?"
    r"\.(?P<last>\d{4}-\d\d-\d\d)\.parquet"
)
_SEGMENT = re.compile(r"(?P<opened>\d{8}-\d{6}-\d+)(?:-(?P<gateway>[0-9a-f]{16}))?(?P<number>-\d{4})?")


@dataclass(frozen=True)
class Piece:
    """Bytes of a source, from `start` to before `end`."""

    path: str
    """In the storage; of a piece on this machine's disk the file."""
    source: str
    start: int
    end: int
    revision: int = 0
    first_day: str = ""
    """YYYY-MM-DD of the first record, and of the last; empty where the piece is no Parquet file."""
    last_day: str = ""
    local: bool = False
    """Whether it is a segment on this machine's disk."""

    @property
    def compacted(self) -> bool:
        return bool(self.first_day)

    def revised(self) -> str:
        """The path of its next revision, in its place."""
        if self.compacted:
            model = self.path.split("/")[1]
            return day_path(model, self.source, self.start, self.end, self.first_day, self.last_day, self.revision + 1)
        return chunk_path(self.path.split("/")[1], self.source, self.start, self.end, self.revision + 1)


@dataclass(frozen=True)
class Part:
    """A piece, and the place in its source from which on its bytes count."""

    piece: Piece
    after: int

    @property
    def whole(self) -> bool:
        return self.after == self.piece.start


def source_of(home: Path, segment: str) -> str:
    """The source that a segment on this machine's disk is, by its name without ending.

    Of one of an earlier release the home's first number stands in: also where the home was moved since.
    """
    named = _SEGMENT.fullmatch(segment)
    if named is None or named["gateway"]:
        return segment
    return f"{named['opened']}-{first_id(home)}{named['number'] or ''}"


def gateway_of(source: str) -> str:
    """The number of the gateway that wrote it; empty where its name does not say."""
    named = _SEGMENT.fullmatch(source)
    return (named["gateway"] or "") if named else ""


def chunk_path(model: str, source: str, start: int, end: int, revision: int = 0) -> str:
    return f"{ROOT}/{model}/chunks/{source}/{_range(start, end, revision)}.jsonl"


def day_path(model: str, source: str, start: int, end: int, first: str, last: str, revision: int = 0) -> str:
    """`first` and `last`: the days (YYYY-MM-DD) of its first and its last record."""
    return f"{ROOT}/{model}/days/{first}/{source}.{_range(start, end, revision)}.{last}.parquet"


def shipped_models(storage: Storage) -> list[str]:
    """The models that have a log in the root, sorted."""
    names = {path.split("/")[1] for path in storage.list(ROOT)}
    return sorted(name for name in names if not name.startswith("_"))  # others are no models


def shipped(storage: Storage, model: str, source: str = "") -> list[Piece]:
    """Every piece that there is of a model's log, or of one source of it."""
    folders = (f"{ROOT}/{model}/chunks/{source}".rstrip("/"), f"{ROOT}/{model}/days")
    found = [piece_at(model, path) for folder in folders for path in storage.list(folder)]
    return [piece for piece in found if piece is not None and source in ("", piece.source)]


def piece_at(model: str, path: str) -> Piece | None:
    """What a file of a model's log in the root is, by its path; None for a name that is none of ours."""
    folder = f"{ROOT}/{model}/chunks/"
    if path.startswith(folder):
        return _piece(_CHUNK, path, folder)
    return _piece(_DAY, path, f"{ROOT}/{model}/days/")


def parts(pieces: Iterable[Piece]) -> Iterator[Part]:
    """What is to be read, in the order of reading: that of the sources' names, then of their bytes. Each byte once."""
    for _, some in groupby(sorted(pieces, key=_order), key=lambda piece: piece.source):
        place = 0
        for piece in some:
            if piece.end > place:
                yield Part(piece, max(place, piece.start))
                place = piece.end


def covered(pieces: Iterable[Piece]) -> list[Piece]:
    """Those of which no byte counts, for other pieces hold them all."""
    every = list(pieces)
    counting = {part.piece for part in parts(every)}
    return [piece for piece in every if piece not in counting]


def reached(pieces: Iterable[Piece]) -> int:
    """The place up to which a source's bytes are there, without a gap, from its first byte on."""
    place = 0
    for piece in sorted(pieces, key=_order):
        if piece.start > place:
            break
        place = max(place, piece.end)
    return place


def _order(piece: Piece) -> tuple[str, int, int, int, bool, str]:
    """Of a source's pieces that begin together the furthest comes first, of those the latest revision; a Parquet file before
    the chunk of the same bytes."""
    return piece.source, piece.start, -piece.end, -piece.revision, not piece.compacted, piece.path


def _piece(pattern: re.Pattern[str], path: str, folder: str) -> Piece | None:
    """None for a name that is none of ours."""
    named = pattern.fullmatch(path.removeprefix(folder))
    if named is None:
        return None
    parts_of = named.groupdict()
    start, end, revision = int(parts_of["start"]), int(parts_of["end"]), int(parts_of["revision"] or 0)
    return Piece(path, parts_of["source"], start, end, revision, parts_of.get("first", ""), parts_of.get("last", ""))


def _range(start: int, end: int, revision: int) -> str:
    return f"{start:0{DIGITS}d}-{end:0{DIGITS}d}" + (f".{revision}" if revision else "")
