"""Seals of the audit chain: what the table said at a moment, written where whoever edits the table does not reach.

    audit/seals/{number}.json   {number, seq, hash, at, previous: digest of the seal before, ...}

A chain alone says nothing of rows cut off at its end, nor of one that was computed anew from its first row. So its head is
copied into the storage root from time to time, by exclusive create, and the table gets a row that names the seal: a seal that is
deleted is missed by the table, rows that are deleted are missed by the seal.

Killed at any instant nothing is wrong: the seal is written first, of committed rows only, so it lags behind the table and never
is ahead; its row in the table comes second, and the next run writes one that lacks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from include.core import fault
from include.core.control import ControlStore, audit
from include.core.digest import canonical_json, digest_bytes
from include.core.errors import IntegrityError
from include.core.request import Json
from include.core.storage import Storage
from include.core.time import timestamp
from include.core.versioned import FIELD, Format

FOLDER = "audit/seals"
ACTION = "audit.seal"
SUBJECT = "audit"
FORMAT = Format("a seal")


def path_of(number: int) -> str:
    """Of a seal, in the storage."""
    return f"{FOLDER}/{number:06d}.json"


@dataclass(frozen=True)
class Seal:
    """The head of the table at a moment. `accepted`: what was found broken then, and a person knows the reason of."""

    number: int
    seq: int
    hash: str
    at: str
    previous: str  # digest of the seal before; empty for the first
    accepted: tuple[str, ...] = ()
    reason: str = ""
    actor: str = ""

    @property
    def data(self) -> bytes:
        return canonical_json({**asdict(self), "accepted": list(self.accepted)})

    @property
    def digest(self) -> str:
        return digest_bytes(self.data)

    def row(self) -> dict[str, Json]:
        """What the table keeps of it."""
        accepted = {"reason": self.reason, "accepted": list(self.accepted)} if self.accepted else {}
        return {"seal": self.number, "seq": self.seq, "digest": self.digest, **accepted}


@dataclass(frozen=True)
class Stored:
    """A file where a seal belongs: the seal, or None if it cannot be read as one."""

    number: int
    digest: str
    seal: Seal | None


def read_seals(storage: Storage) -> list[Stored]:
    """The seals there are, by number."""
    found = []
    for path in storage.list(FOLDER):
        name = path.rpartition("/")[2].removesuffix(".json")
        if name.isdecimal():
            found.append(stored_seal(int(name), storage.read(path)))
    return sorted(found, key=lambda stored: stored.number)


def stored_seal(number: int, data: bytes) -> Stored:
    """What the file of that number says."""
    return Stored(number, digest_bytes(data), _seal(data, number))


def write_seal(
    control: ControlStore, storage: Storage, *, actor: str, accepted: Sequence[str] = (), reason: str = ""
) -> Seal | None:
    """Seal what the table says now. Nothing, where no row was added since the newest seal. The caller has verified the chain.

    Of several at once one writes the number; the others find that it is done.
    """
    named = _newest_named(control)
    stored = read_seals(storage)  # after what the table names, of which each was there first; before the head
    _record(control, [each.seal for each in stored if each.seal])
    head = _head(control)
    last = stored[-1] if stored else None
    if head is None or (not accepted and last and last.seal and not _rows_after(control, last.seal.seq)):
        return None
    seal = Seal(
        number=max(last.number if last else 0, named) + 1,  # a seal that was deleted keeps its number
        seq=head.seq,
        hash=head.hash,
        at=timestamp(),
        previous=last.digest if last else "",
        accepted=tuple(accepted),
        reason=reason,
        actor=actor,
    )
    fault.point("audit.seal")
    if not storage.create(path_of(seal.number), seal.data):
        return None  # another one sealed at this moment
    fault.point("audit.sealed")
    _record(control, [seal])
    return seal


def accept(control: ControlStore, storage: Storage, ids: Sequence[str], *, actor: str, reason: str) -> Seal:
    """A seal that says who knows why what was found is as it is: from then on it is reported, and no longer an alarm."""
    seal = write_seal(control, storage, actor=actor, accepted=ids, reason=reason)
    if seal is None:
        raise IntegrityError(
            "The seal was not written: the table is empty, or another seal was written at this moment.",
            safe="nothing was changed.",
            hint="slipstream audit verify, and try again.",
        )
    return seal


def _record(control: ControlStore, seals: Sequence[Seal]) -> None:
    """A row of the table for each seal that has none: once ever, by its number and content."""
    for seal in seals:
        if control.effect(key := f"{ACTION}/{seal.number}/{seal.digest[:32]}") is None:

            def add(connection: sa.Connection, seal: Seal = seal) -> dict[str, Json]:
                control.append_audit(connection, seal.actor or SUBJECT, ACTION, SUBJECT, seal.row())
                return {"seq": seal.seq}

            control.once(key, SUBJECT, 0, add)


def _head(control: ControlStore) -> Any:
    query = sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    with control.transaction() as connection:
        return connection.execute(query).first()


def _rows_after(control: ControlStore, seq: int) -> bool:
    """Whether anything was added since a seal but the rows that name seals."""
    query = sa.select(audit.c.seq).where(audit.c.seq > seq, audit.c.action != ACTION).limit(1)
    with control.transaction() as connection:
        return connection.execute(query).first() is not None


def named_in(detail: Json) -> int:
    """The number of the seal that a row's detail names; 0 if it names none, as an edited row may."""
    number = detail.get("seal") if isinstance(detail, dict) else None
    return number if isinstance(number, int) and number > 0 else 0


def _newest_named(control: ControlStore) -> int:
    """The highest number of a seal that the table names; 0 if it names none."""
    query = sa.select(audit.c.detail).where(audit.c.action == ACTION)
    with control.transaction() as connection:
        return max(map(named_in, connection.execute(query).scalars()), default=0)


def _require_known(value: Json, number: int) -> None:
    """Raises PermanentError for a seal of a later release. The first version is not written: a seal's digest is of its bytes."""
    version = value.get(FIELD) if isinstance(value, dict) else None
    if isinstance(version, int) and version > FORMAT.version:
        FORMAT.check(version, path_of(number))


def _seal(data: bytes, number: int) -> Seal | None:
    try:
        value = json.loads(data)
        _require_known(value, number)
        seal = replace(Seal(**value), accepted=tuple(value["accepted"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return seal if seal.number == number and isinstance(seal.seq, int) and seal.data == data else None
