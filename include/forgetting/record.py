"""What is kept of a request to forget: who asked for it when and why, and the proof of what was done. Nobody is named in it.

forgetting/{request}/request.json     the digests of the subject's keys: the list that partitions are held against
                     found.json       while it is under way: digests of the requests and values that were found
                     proof-{n}.json   of each time that it was carried out; its digest is in the audit chain
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
FOUND = "found.json"
BEGIN, DONE = "forget.begin", "forget.done"


@dataclass(frozen=True)
class Record:
    """A request to forget. `name`: 16 hexadecimal digits, the same for the same subject, owner and mode."""

    storage: Storage
    name: str

    @classmethod
    def of(cls, storage: Storage, subject: Subject, owner: str, mode: str) -> Record:
        keys = [f"{name}={digest}" for name, digest in sorted(subject.keys.items())]
        return cls(storage, subject.prints.of("request", owner, mode, *keys)[:16])

    def _at(self, file: str) -> str:
        return f"{FOLDER}/{self.name}/{file}"

    # -- begun ---------------------------------------------------------------------------------------------------------------

    def begin(self, body: Mapping[str, Json], subject: Subject, until: datetime) -> None:
        """Put the subject on the list, or what is there up to date; take in what an earlier attempt had found."""
        known = self.request()
        subject.ids |= set(known.get("ids", ()))
        if self.storage.exists(self._at(FOUND)):
            subject.learn(json.loads(self.storage.read(self._at(FOUND))))
        began = known.get("began", timestamp())
        wanted = {**body, "request": self.name, "keys": dict(subject.keys), "until": until.isoformat(), "began": began}
        self.storage.write(self._at(REQUEST), canonical_json(FORMAT.stamp({**wanted, "ids": sorted(subject.ids)})))

    def note(self, subject: Subject) -> None:
        """Keep what was found, before anything of it goes."""
        self.storage.write(self._at(FOUND), canonical_json(subject.to_json()))
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

    def prove(self, control: ControlStore, actor: str, owner: str, proof: Mapping[str, Json]) -> tuple[str, str]:
        """Keep the proof, and its digest in the audit chain. Returns its path and digest."""
        data = canonical_json(PROOF.stamp(proof))
        path, digest = self._at(f"proof-{len(self.proofs()) + 1:04d}.json"), digest_bytes(data)
        detail = {"request": self.name, "proof": path, "digest": digest, "rows": proof["rows"], "complete": proof["complete"]}
        with control.transaction() as connection:
            control.append_audit(connection, actor, DONE, owner, detail)
        fault.point("forget.chained")  # killed here, the next attempt writes another proof there, and another row
        self.storage.create(path, data)
        fault.point("forget.proven")
        self.storage.delete(self._at(FOUND))
        return path, digest

    def proofs(self) -> list[str]:
        """The paths of its proofs, oldest first."""
        return sorted(path for path in self.storage.list(f"{FOLDER}/{self.name}") if "/proof-" in path)

    @property
    def under_way(self) -> bool:
        """Whether it was begun, and is not over: cut off, or at work."""
        return self.storage.exists(self._at(FOUND)) or not self.proofs()


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
    """The row of the audit chain that goes first: nothing goes without one."""
    with control.transaction() as connection:
        detail = {"request": record.name, "keys": list(keys), "mode": mode, "reason": reason}
        control.append_audit(connection, actor, BEGIN, owner, detail)


def chained(control: ControlStore, record: Record) -> bool:
    """Whether the audit chain has the digest of each proof of a request."""
    rows = search(control, Search(action=DONE, text=record.name), limit=10_000)
    known = {(row.detail.get("proof"), row.detail.get("digest")) for row in rows if isinstance(row.detail, dict)}
    return all((path, digest_bytes(record.storage.read(path))) in known for path in record.proofs())
