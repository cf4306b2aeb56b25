"""Anchors of the audit chain: its head, written to a place that whoever owns the control store and the root cannot rewrite.

A seal lies in the storage root, which the platform itself may write. An anchor lies where it may only add: objects of S3 under
Object Lock, a file that is only appended to, a log that is carried away. A chain that was computed anew with fresh hashes, seals
and all, or cut off at its end, says another thing of the row that an anchor names.

Anchoring twice writes once: an anchor is named by its row and that row's hash. Killed at any instant there is one more anchor or
there is none, and each is of a row that was committed. A place that is away is told and asked again the next time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from include.core import fault
from include.core.control import ControlStore, audit
from include.core.digest import digest_bytes
from include.core.documents import DocumentKind
from include.core.errors import DataError, PermanentError, SlipstreamError, one_line
from include.core.time import timestamp
from include.core.versioned import Format

FIELD = "audit_anchor"  # of a line of JSON, wherever it was carried to
WRITTEN = DocumentKind("audit_anchor", Format("a note that an anchor was written"))


@dataclass(frozen=True)
class Anchor:
    """What the newest row of the chain was at a moment."""

    seq: int
    hash: str
    at: str

    @property
    def line(self) -> str:
        """As a log holds it: one line of JSON."""
        return json.dumps({FIELD: asdict(self)}, sort_keys=True)


@dataclass(frozen=True)
class Unreadable:
    """A line of a place of which nobody can say any more what it was."""

    number: int
    digest: str


Held = Anchor | Unreadable


class Place(Protocol):
    """Where anchors are. Raises TransientError where it is away, PermanentError where it is not what it must be."""

    @property
    def name(self) -> str:
        """As the setting says it."""

    @property
    def readable(self) -> bool:
        """Whether what was written can be read back from here. A log is carried away."""

    def write(self, anchor: Anchor) -> bool:
        """Add it, unless it is there. Returns whether it was added."""

    def read(self) -> list[Held]:
        """All of them, as they were written, oldest first."""


@dataclass(frozen=True)
class Anchored:
    """What the places hold, by their names; those that could not be read, with why; those that are only written to."""

    held: Mapping[str, Sequence[Held]] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Anchor]:
        return (each for many in self.held.values() for each in many if isinstance(each, Anchor))


@dataclass(frozen=True)
class Anchoring:
    """What came of one try. `anchor`: None where the chain has no row."""

    anchor: Anchor | None
    written: tuple[str, ...] = ()
    failed: Mapping[str, SlipstreamError] = field(default_factory=dict)

    @property
    def words(self) -> str:
        if self.anchor is None:
            return "The audit chain has no row to anchor."
        where = ", ".join(self.written)
        return f"Row {self.anchor.seq} is anchored at {where}." if where else f"Row {self.anchor.seq} was anchored before."

    def raise_if_refused(self) -> None:
        """Raises the error of a place that is not what it must be: no later try will do."""
        for error in self.failed.values():
            if isinstance(error, PermanentError):
                raise error


def anchor_head(control: ControlStore, places: Sequence[Place]) -> Anchoring:
    """Write the newest row's hash to each place that lacks it. A place that fails keeps no other from its anchor."""
    if not places or (anchor := head(control)) is None:
        return Anchoring(None)
    written, failed = [], {}
    for place in places:
        try:
            if _write(control, place, anchor):
                written.append(place.name)
        except SlipstreamError as error:
            failed[place.name] = error
    return Anchoring(anchor, tuple(written), failed)


def _write(control: ControlStore, place: Place, anchor: Anchor) -> bool:
    """Of a place that cannot be read the control store remembers what went there: the same line is not written twice."""
    key = f"{FIELD}/{digest_bytes(place.name.encode())[:16]}/{anchor.seq}/{anchor.hash[:32]}"
    if not place.readable and WRITTEN.load(control, key) is not None:
        return False
    fault.point("audit.anchor")
    new = place.write(anchor)
    fault.point("audit.anchored")
    if not place.readable:
        WRITTEN.save(control, key, "audit", {"seq": anchor.seq})
    return new


def head(control: ControlStore) -> Anchor | None:
    """The newest row, now."""
    query = sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    with control.transaction() as connection:
        row = connection.execute(query).first()
    return Anchor(row.seq, row.hash, timestamp()) if row else None


def read_places(places: Sequence[Place], files: Sequence[Path] = ()) -> Anchored:
    """What all of them hold. `files`: logs that were carried away, in any form that has an anchor's JSON in its lines."""
    held: dict[str, Sequence[Held]] = {str(path): carried(path) for path in files}
    away: dict[str, str] = {}
    for place in places:
        try:
            if place.readable:
                held[place.name] = place.read()
        except SlipstreamError as error:
            away[place.name] = one_line(error)
    return Anchored(held, away, tuple(place.name for place in places if not place.readable))


def carried(path: Path) -> list[Held]:
    """The anchors among the lines of a log. Raises DataError for a file without one: it would vouch for nothing."""
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", hint="name the file that the log was carried to.") from error
    found: list[Held] = [anchor for line in text.splitlines() for anchor in anchors_in(line)]
    if not found:
        raise DataError(
            f"There is no anchor in {path}.",
            safe="nothing was changed.",
            hint=f'its lines should hold {{"{FIELD}": {{"seq", "hash", "at"}}}}, as SLIPSTREAM_AUDIT_ANCHOR=log: writes them.',
        )
    return found


def anchors_in(line: str) -> Iterator[Anchor]:
    """Those that a line holds: by itself, after a log's own words, or within a value of a log's JSON."""
    start = line.find("{")
    if FIELD not in line or start < 0:
        return
    try:
        value, _ = json.JSONDecoder().raw_decode(line[start:])
    except (ValueError, RecursionError):
        yield from anchors_in(line[start + 1 :])
        return
    yield from _within(value)


def _within(value: Any) -> Iterator[Anchor]:
    if isinstance(value, str):
        yield from anchors_in(value)
    elif isinstance(value, list):
        yield from _all(value)
    elif isinstance(value, dict):
        if (anchor := anchor_of(value.get(FIELD))) is not None:
            yield anchor
        yield from _all(each for name, each in value.items() if name != FIELD)


def _all(values: Iterable[Any]) -> Iterator[Anchor]:
    for each in values:
        yield from _within(each)


def anchor_of(value: Any) -> Anchor | None:
    """What an object says, if it is one of an anchor."""
    if not isinstance(value, dict) or set(value) != {"seq", "hash", "at"}:
        return None
    anchor = Anchor(**value)
    sound = isinstance(anchor.seq, int) and isinstance(anchor.hash, str) and isinstance(anchor.at, str)
    return anchor if sound and len(anchor.hash) == 64 else None
