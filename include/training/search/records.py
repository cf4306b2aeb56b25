"""What a search has decided and found, one file each, by exclusive create: a killed search is replayed from them.

    {folder}/decisions/000001    what was decided, after how many findings
    {folder}/found/{key}         what a leg of a trial came to, by the key of the leg
    {folder}/legs/{key}/...      its checkpoints

A leg's key is a digest of its parameters, of where it ends and of the leg whose weights it goes on with; the folder is of one
request and generation, whose key holds the training set and the code. Two trials of equal parameters share their legs.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from include.core import fault
from include.core.digest import digest_bytes, digest_json
from include.core.json_types import Json
from include.core.storage import Storage
from include.core.versioned import Format

log = logging.getLogger(__name__)

DECISION, FOUND = Format("a decision of a search"), Format("a finding of a search")


@dataclass(frozen=True)
class Decision:
    """One trial goes on to epoch `until`, with these parameters; the first time it starts.

    `after`: how many findings were known. `donor`: the trial whose weights it goes on with, where they are not its own.
    """

    what: Literal["start", "continue", "promote", "exploit"]
    trial: int
    until: int
    params: Mapping[str, Json]
    after: int
    donor: int | None = None


@dataclass(frozen=True)
class Leg:
    """A part of a trial: the epochs from `start` to `until`. `parent`: the key of the leg that it goes on from."""

    params: Mapping[str, Json]
    until: int
    start: int = 0
    parent: str = ""
    donor: Mapping[str, Json] | None = None  # the parameters of that leg, where they are others

    @property
    def key(self) -> str:
        return digest_json({"params": dict(self.params), "until": self.until, "parent": self.parent})[:32]


@dataclass(frozen=True)
class Found:
    """What a leg came to: the metric after so many epochs, or the error that it ended with.

    `epochs` less than the leg's `until`: the fit has ended by itself, and does not go on.
    """

    value: float | None
    epochs: int
    history: list[dict[str, float]]
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Records:
    """The records of one search. Any number of processes may write the same."""

    storage: Storage
    folder: str

    def decision(self, number: int) -> Decision | None:
        body = self._read(self._decision(number), DECISION)
        return Decision(**body) if body is not None else None

    def decide(self, number: int, decision: Decision) -> Decision:
        """Record it, unless another process was first: what stands is returned."""
        fault.point("search.decide")
        self._create(self._decision(number), DECISION.stamp(asdict(decision)))
        fault.point("search.decided")
        standing = self.decision(number)
        return decision if standing is None else standing

    def found(self, key: str) -> Found | None:
        body = self._read(self._found(key), FOUND)
        return Found(**body) if body is not None else None

    def find(self, key: str, found: Found) -> Found:
        """Record what a leg came to, unless another process was first: what stands is returned."""
        fault.point("search.find")
        self._create(self._found(key), FOUND.stamp(asdict(found)))
        fault.point("search.found")
        standing = self.found(key)
        return found if standing is None else standing

    def leg_folder(self, key: str) -> str:
        return f"{self.folder}/legs/{key}"

    def _decision(self, number: int) -> str:
        return f"{self.folder}/decisions/{number:06d}"

    def _found(self, key: str) -> str:
        return f"{self.folder}/found/{key}"

    def _create(self, path: str, body: Mapping[str, Any]) -> None:
        data = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        self.storage.create(path, digest_bytes(data).encode() + b"\n" + data)

    def _read(self, path: str, form: Format) -> dict[str, Any] | None:
        """The record, or None if there is none. One whose bytes have changed is removed: it will be made again, the same."""
        try:
            data = self.storage.read(path)
        except FileNotFoundError:
            return None
        digest, _, body = data.partition(b"\n")
        if digest == digest_bytes(body).encode():
            return form.read(json.loads(body), path)
        log.warning("%s is made again: its bytes do not match their digest", self.storage.uri(path))
        self.storage.delete(path)
        return None
