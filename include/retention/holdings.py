"""What lies in the ledger, generation by generation: read from two listings of the storage, without opening a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from include.core.forgotten import MARK as FORGOTTEN
from include.core.given_up import MARK as GIVEN_UP
from include.core.ledger import Attempt
from include.core.storage import Storage

OPENED, COLLECTED, WITHDRAWN, RESULT = "open.json", "collected.json", "withdrawn.json", "result.json"
MARKS = frozenset({OPENED, COLLECTED, WITHDRAWN, FORGOTTEN, GIVEN_UP})  # what stays of a generation, or says what is done with it
OURS = frozenset({COLLECTED, WITHDRAWN, GIVEN_UP})  # written by `slipstream gc` itself: that is no use of it
CHECKPOINTS = "checkpoints/"
ROWS = "rows/"  # blocks of a streamed training set: include/training/rows
_PATH = re.compile(r"ledger/(?P<key>[^/]+/[^/]+)/g(?P<generation>\d+)/(?P<name>.+)")
_BATCH = re.compile(r"metrics/\d+")
_ATTEMPT = re.compile(r"attempt-(\d+)\.json")
_FIRST = datetime.min.replace(tzinfo=UTC)

Place = tuple[str, int]  # a key and a generation of it


@dataclass(frozen=True)
class Stored:
    """A file: the moment it was last written, by the storage's clock, and its bytes."""

    at: datetime
    bytes: int


@dataclass
class Holding:
    """A generation of a key, and the files in it by their names below its folder."""

    key: str
    generation: int
    files: dict[str, Stored] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        return self.key, self.generation

    @property
    def step(self) -> str:
        return self.key.partition("/")[0]

    @property
    def folder(self) -> str:
        return f"ledger/{self.key}/g{self.generation}"

    @property
    def contents(self) -> dict[str, Stored]:
        """All but the marks."""
        return {name: stored for name, stored in self.files.items() if name not in MARKS}

    @property
    def has_result(self) -> bool:
        return RESULT in self.files

    @property
    def touched(self) -> datetime:
        """When anything but the marks of `slipstream gc` was written here last."""
        return max((stored.at for name, stored in self.files.items() if name not in OURS), default=_FIRST)

    @property
    def jobs(self) -> list[str]:
        """The names that the jobs of its attempts have."""
        numbers = (found[1] for found in map(_ATTEMPT.fullmatch, self.files) if found)
        return [Attempt(self.key, self.generation, int(number)).job for number in numbers]

    def below(self, folder: str) -> dict[str, Stored]:
        """The files in one of its folders."""
        return {name: stored for name, stored in self.files.items() if name.startswith(folder)}

    @property
    def batches(self) -> dict[str, Stored]:
        """The batches of its metric spool; what says which run has them stays beside them."""
        return {name: stored for name, stored in self.files.items() if _BATCH.fullmatch(name)}


def holdings(storage: Storage) -> dict[Place, Holding]:
    """Every generation that holds a file. What is written while this reads may be missing from it."""
    sizes = dict(storage.sizes("ledger"))
    found: dict[Place, Holding] = {}
    for match, path, at in _generations(storage):
        place = match["key"], int(match["generation"])
        holding = found.setdefault(place, Holding(*place))
        holding.files[match["name"]] = Stored(at, sizes.get(path, 0))
    return found


def _generations(storage: Storage) -> Iterator[tuple[re.Match[str], str, datetime]]:
    for path, at in storage.changed("ledger"):
        if found := _PATH.fullmatch(path):
            yield found, path, at
