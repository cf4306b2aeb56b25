"""The whole prediction log as a reader sees it: what every gateway has shipped to the storage root, and on a gateway's own
machine also what has not left its disk yet.

So a reader beside the gateway is complete the moment a request is answered, with no agent to wait for; one elsewhere is behind
by what gateways have not shipped. A segment on this disk is read there, whatever the root holds of it.

Pieces of a root that is not a folder are kept on the reader's disk: they never change, so each is fetched once.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from include.core.errors import NotReadyError
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.core.storage import Storage
from include.prediction_log import layout
from include.prediction_log.pieces import Part, Piece, parts, shipped, shipped_models, source_of

CACHE = Path("cache") / "predictions"
UNUSED_SECONDS = 600.0  # a file of the cache whose piece is gone may still be read by another process for so long
FETCHES = 8  # at once
LOOKS = 3  # at a log that is compacted meanwhile


@dataclass(frozen=True)
class SharedLog:
    """Where it is."""

    home: Path
    """Of this machine: its segments, and what is kept of the root."""
    storage: Storage


def log_of(settings: Settings) -> SharedLog:
    """For a process whose environment holds the login of the storage, if it has one."""
    return SharedLog(settings.home, settings.storage())


Where = SharedLog | Path
"""A shared log; or a home alone, of which only the segments on this machine's disk are read."""


def models(log: SharedLog) -> list[str]:
    """The models that have a log here or in the root, sorted."""
    return sorted({*layout.models(log.home), *shipped_models(log.storage)})


def files(where: Where, model: str, first_day: str = "") -> list[Path]:
    """Segments and Parquet files whose lines together are the log from that day (YYYY-MM-DD) on, in the order of reading.

    Raises NotReadyError where the log changed faster than it could be listed.
    """
    if isinstance(where, Path):
        return layout.log_files(where, model, first_day)
    for _ in range(LOOKS):
        with contextlib.suppress(FileNotFoundError):  # compacted since it was listed: then its Parquet file is there
            return _files(where, model, first_day)
    raise gone(model)


def gone(model: str) -> NotReadyError:
    """What a reader says whose file was compacted or removed under its eyes."""
    return NotReadyError(
        f"The prediction log of {model} was compacted while it was read.",
        safe="reading never changes the log, and compacting loses none of it.",
        hint="the retry finds the same records.",
    )


def on_disk(home: Path, model: str) -> list[Piece]:
    """The segments on this machine's disk as pieces: from their first byte to the last one now."""
    found = []
    for segment in layout.segments(home, model):
        with contextlib.suppress(FileNotFoundError):  # removed since it was listed
            source = source_of(home, segment.stem)
            found.append(Piece(str(segment), source, 0, segment.stat().st_size, local=True))
    return found


def stored(log: SharedLog, pieces: Iterable[Piece]) -> list[Path]:
    """Files on this disk with the pieces' bytes, in their order. Raises FileNotFoundError for one that is gone."""
    with scratch_folder(_folder(log.home / "scratch")) as scratch, ThreadPoolExecutor(FETCHES) as pool:
        return list(pool.map(lambda piece: _kept(log, piece, scratch), pieces))


def forget(log: SharedLog, model: str, pieces: Iterable[Piece], unused: float = 0.0) -> None:
    """Remove from this disk what is kept of the model's log and not among those pieces, unless used so many seconds ago."""
    folder = log.home / CACHE / model
    names = {str(log.home / CACHE / _below(piece)) for piece in pieces}
    for path in folder.rglob("*") if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if path.is_file() and str(path) not in names and time.time() - path.stat().st_mtime >= unused:
                path.unlink()


def _files(log: SharedLog, model: str, first_day: str) -> list[Path]:
    local = on_disk(log.home, model)  # first: a segment that is removed meanwhile is in the root
    shared = shipped(log.storage, model)
    rotated = _rotated(log.home, model, first_day, {piece.source for piece in shared})
    plan = [part for part in parts([*shared, *local]) if not part.piece.compacted or part.piece.last_day >= first_day]
    forget(log, model, shared, UNUSED_SECONDS)
    wanted = [part.piece for part in plan if not part.piece.local]
    found = dict(zip(wanted, stored(log, wanted), strict=True)) if wanted else {}
    placed = [(part.piece.source, _cut(log, model, part, last, found)) for part, last in _with_last(plan)]
    return [path for _, path in sorted([*placed, *rotated], key=lambda each: each[0])]


def _rotated(home: Path, model: str, first_day: str, known: set[str]) -> list[tuple[str, Path]]:
    """Parquet files that an earlier release made on this disk, and that are not in the root yet, by their source."""
    written = {segment.stem for segment in layout.segments(home, model)}
    found = [(source_of(home, path.stem), path) for path in layout.parquet_files(home, model) if path.stem not in written]
    return [(source, path) for source, path in found if source not in known and layout.day_of(path) >= first_day]


def _with_last(plan: Sequence[Part]) -> Iterator[tuple[Part, bool]]:
    """Each part, and whether nothing of its source follows."""
    for place, part in enumerate(plan):
        yield part, place + 1 == len(plan) or plan[place + 1].piece.source != part.piece.source


def _cut(log: SharedLog, model: str, part: Part, last: bool, found: dict[Piece, Path]) -> Path:
    """A file with the bytes of a part alone. A segment of which nothing follows is read to its end, wherever that is by then."""
    piece = part.piece
    path = Path(piece.path) if piece.local else found[piece]
    if part.whole and (last or not piece.local):
        return path
    target = log.home / CACHE / model / "cut" / f"{piece.source}.{part.after}-{piece.end}.{piece.revision}{path.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}-{os.getpid()}")
    if piece.compacted:
        _cut_table(path, part.after, draft)
    else:
        with path.open("rb") as lines:
            lines.seek(part.after - piece.start)
            draft.write_bytes(lines.read(piece.end - part.after))
    os.replace(draft, target)
    return target


def _cut_table(path: Path, after: int, draft: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(path, filters=[("upto", ">", after)]), draft)


def _kept(log: SharedLog, piece: Piece, scratch: Path) -> Path:
    if piece.local:
        return Path(piece.path)
    target = log.home / CACHE / _below(piece)
    with contextlib.suppress(FileNotFoundError):
        os.utime(target)  # in use
        return target
    fetched = log.storage.fetch(piece.path, scratch)
    if not fetched.is_relative_to(scratch):
        return fetched  # the storage is a folder: it is read where it is
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(fetched, target)
    return target


def _below(piece: Piece) -> str:
    """The place of a piece in the cache: as in the root, without its first folder."""
    return piece.path.partition("/")[2]


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
