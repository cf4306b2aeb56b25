"""What is kept of a request to forget: who asked for it when and why, and the proof of what was done. Nobody is named in it.

forgetting/{request}/request.json     the digests of the subject's keys: the list that partitions are held against
                     found.json       until it is complete: digests of the requests and values that were found, what was counted
                     pending.json     the proof, until its digest is in the audit chain
                     proof-{n}.json   of each time that it was carried out; its digest is in the audit chain

Attempts that are cut off, and the one that goes on after them, carry it out once: one row of the audit chain says that it began,
one that it is done, and there is one proof.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from include.core import fault
from include.core.control import ControlStore
from include.core.digest import canonical_json, digest_bytes
from include.core.errors import DataError
from include.core.json_types import Json
from include.core.storage import Storage
from include.core.subject import Subject
from include.core.time import timestamp
from include.core.versioned import Format
from include.data.suppression import FOLDER, FORMAT, REQUEST
from include.governance.audit import Search, search

PROOF = Format("the proof of a request to forget")
FOUND, PENDING = "found.json", "pending.json"
SAME = ("number", "files", "results", "mode", "complete", "unread", "left")  # of two proofs that say the same of what was done
BEGIN, DONE = "forget.begin", "forget.done"


@dataclass(frozen=True)
class Record:
    """A request to forget. `name`: 16 hexadecimal digits, the same for the same subject, owner and mode."""

    storage: Storage
    name: str
    number: int = 1
    """Which time of carrying it out this is."""
    attempts: int = 1
    """Of them, with those that were cut off."""
    counts: dict[str, Any] = field(default_factory=dict)
    """What those had taken out of the stores, which nothing there tells."""

    @classmethod
    def of(cls, storage: Storage, subject: Subject, owner: str, mode: str) -> Record:
        keys = [f"{name}={digest}" for name, digest in sorted(subject.keys.items())]
        name = subject.prints.of("request", owner, mode, *keys)[:16]
        made = cls(storage, name)
        kept = made._found()
        number = kept.get("number", len(made.proofs()) + 1)
        return cls(storage, name, number, kept.get("attempts", 0) + 1, kept.get("counts", {}))

    def _found(self) -> dict[str, Any]:
        """What an attempt that was cut off had found; empty where none was."""
        try:
            return dict(json.loads(self.storage.read(self._at(FOUND))))
        except FileNotFoundError:
            return {}

    def _at(self, file: str) -> str:
        return f"{FOLDER}/{self.name}/{file}"

    # -- begun ---------------------------------------------------------------------------------------------------------------

    def begin(self, body: Mapping[str, Json], subject: Subject, until: datetime) -> None:
        """Put the subject on the list, or what is there up to date; take in what an earlier attempt had found."""
        known = self.request()
        subject.ids |= set(known.get("ids", ()))
        if before := self._found():
            subject.learn(before)
        began = known.get("began", timestamp())
        wanted = {**body, "request": self.name, "keys": dict(subject.keys), "until": until.isoformat(), "began": began}
        self.storage.write(self._at(REQUEST), canonical_json(FORMAT.stamp({**wanted, "ids": sorted(subject.ids)})))
        self.count(subject, self.counts)

    def count(self, subject: Subject, counts: Mapping[str, Json]) -> None:
        """Keep what was taken out of the stores so far, should this attempt be cut off."""
        kept = {"number": self.number, "attempts": self.attempts, "counts": dict(counts)}
        self.storage.write(self._at(FOUND), canonical_json({**subject.to_json(), **kept}))

    def note(self, subject: Subject, counts: Mapping[str, Json]) -> None:
        """Keep what was found, before anything of it goes."""
        self.count(subject, counts)
        known = self.request()
        self.storage.write(self._at(REQUEST), canonical_json(FORMAT.stamp({**known, "ids": sorted(subject.ids)})))

    def request(self) -> dict[str, Any]:
        """What was asked; empty for nothing."""
        try:
            body = json.loads(self.storage.read(self._at(REQUEST)))
        except FileNotFoundError:
            return {}
        return {name: value for name, value in FORMAT.read(body, self._at(REQUEST)).items() if name != "v"}

    # -- done ----------------------------------------------------------------------------------------------------------------

    def prove(
        self, control: ControlStore, actor: str, owner: str, subject: Subject, proof: Mapping[str, Json]
    ) -> tuple[str, str]:
        """Keep the proof, and its digest in the audit chain. Returns its path and digest. Of an attempt that was cut off before
        it was kept, the proof is taken if it says the same."""
        data, number = self._pending(canonical_json(PROOF.stamp(proof))), self.number
        while self._differs(self._at(f"proof-{number:04d}.json"), data):
            number += 1
        path, digest = self._at(f"proof-{number:04d}.json"), digest_bytes(data)
        said = json.loads(data)
        detail = {"request": self.name, "proof": path, "digest": digest, "rows": said["rows"], "complete": said["complete"]}
        _once(control, f"{self.name}/{number}/{digest[:16]}", actor, DONE, owner, detail)
        fault.point("forget.chained")
        self.storage.create(path, data)
        fault.point("forget.proven")
        if said["complete"]:
            self.storage.delete(self._at(FOUND))
        else:  # the rows that told which values are the subject's alone are gone: the next time needs to know them
            self.storage.write(self._at(FOUND), canonical_json(subject.to_json()))
        self.storage.delete(self._at(PENDING))
        return path, digest

    def _pending(self, data: bytes) -> bytes:
        """The proof to be kept, which lies there by now."""
        path = self._at(PENDING)
        if self.storage.exists(path):
            before = self.storage.read(path)
            kept, made = json.loads(before), json.loads(data)
            if all(kept.get(name) == made.get(name) for name in SAME):
                return before
        self.storage.write(path, data)
        fault.point("forget.pending")
        return data

    def _differs(self, path: str, data: bytes) -> bool:
        return self.storage.exists(path) and self.storage.read(path) != data

    def proofs(self) -> list[str]:
        """The paths of its proofs, oldest first."""
        return sorted(path for path in self.storage.list(f"{FOLDER}/{self.name}") if "/proof-" in path)

    @property
    def under_way(self) -> bool:
        """Whether it was begun, and is not over: cut off, or at work."""
        return "number" in self._found() or not self.proofs()


def records(storage: Storage) -> Iterator[Record]:
    """Every request there is."""
    for path in storage.list(FOLDER):
        if path.endswith(f"/{REQUEST}"):
            yield Record(storage, path.split("/")[1])


def named(storage: Storage, name: str) -> Record:
    """Raises DataError for a request that there is not."""
    found = Record(storage, name)
    if not name.isalnum() or not found.request():
        known = [each.name for each in records(storage)]
        raise DataError(
            f"There is no request to forget {name!r}.",
            seen=name,
            safe="nothing was changed.",
            hint=f"there are {', '.join(known[:10])}." if known else "none was made here yet.",
        )
    return found


def begin_row(control: ControlStore, actor: str, owner: str, record: Record, keys: Sequence[str], mode: str, reason: str) -> None:
    """The row of the audit chain that goes first: nothing goes without one. One that goes on has its row."""
    detail: dict[str, Json] = {"request": record.name, "keys": list(keys), "mode": mode, "reason": reason}
    _once(control, f"{record.name}/{record.number}/begin", actor, BEGIN, owner, detail)


def _once(control: ControlStore, key: str, actor: str, action: str, owner: str, detail: dict[str, Json]) -> None:
    def append(connection: sa.Connection) -> dict[str, Json]:
        control.append_audit(connection, actor, action, owner, detail)
        return {}

    resource = f"forget/{key.partition('/')[0]}"
    control.once(f"forget/{key}", resource, control.take(resource, actor), append)


def chained(control: ControlStore, record: Record) -> bool:
    """Whether the audit chain has the digest of each proof of a request."""
    rows = search(control, Search(action=DONE, text=record.name), limit=10_000)
    known = {(row.detail.get("proof"), row.detail.get("digest")) for row in rows if isinstance(row.detail, dict)}
    return all((path, digest_bytes(record.storage.read(path))) in known for path in record.proofs())
