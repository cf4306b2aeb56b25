"""What `slipstream gc` leaves at a result whose version was given up by the rule of its model: which, when, and by which rule.

    ledger/{step}/{digest}/g{n}/given_up.json

A reference to the result goes on to be in records: whoever follows it once the files are gone learns why they are.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from include.core.digest import canonical_json
from include.core.errors import DataError
from include.core.request import Ref, relative
from include.core.storage import Storage
from include.core.versioned import Format

MARK = "given_up.json"
FORMAT = Format("a mark of a version that was given up")
CLEARED = "given up by slipstream gc"  # the reason of a generation that was opened since the one before was cleared away
_RESULT = re.compile(r"(?:.*/)?ledger/([^/]+/[^/]+)/g(\d+)/")


@dataclass(frozen=True)
class GivenUpMark:
    """The version whose giving up took the result along. `at`: UTC, ISO 8601. `rule`: in words."""

    model: str
    version: int
    at: str
    rule: str

    @property
    def words(self) -> str:
        """What became of the result."""
        return f"given up on {self.at[:10]} with version {self.version} of {self.model}, by {self.rule}"

    @classmethod
    def read(cls, storage: Storage, path: str) -> GivenUpMark | None:
        """The mark at a path; None where there is none."""
        try:
            body = json.loads(storage.read(path))
        except FileNotFoundError:
            return None
        fields: dict[str, Any] = FORMAT.read(body, storage.uri(path))
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__})

    def keep(self, storage: Storage, path: str) -> None:
        """Leave it there. The first one stays."""
        storage.create(path, canonical_json(FORMAT.stamp(asdict(self))))


def given_up_mark(key: str, generation: int) -> str:
    """Where the mark of a result is."""
    return f"ledger/{key}/g{generation}/{MARK}"


def place_of(ref: Ref) -> tuple[str, int] | None:
    """The key and the generation of a result; None for what is none."""
    return _place(ref.uri)


def _place(uri: str) -> tuple[str, int] | None:
    found = _RESULT.match(uri)
    return (found[1], int(found[2])) if found else None


def given_up(storage: Storage, uri: str) -> GivenUpMark | None:
    """Why the files of a result went, or are about to, where the version that it was made for was given up."""
    place = _place(relative(uri))
    return GivenUpMark.read(storage, given_up_mark(*place)) if place else None


def given_up_of(storage: Storage, key: str, generation: int) -> GivenUpMark | None:
    """The mark of a generation; or of one before it, where all since were opened only because the one before was cleared away: a
    person who asked for the key anew, with whatever reason, has asked for something else."""
    for number in range(generation, -1, -1):
        if (mark := GivenUpMark.read(storage, given_up_mark(key, number))) is not None:
            return mark
        if number == 0 or json.loads(storage.read(f"ledger/{key}/g{number}/open.json"))["reason"] != CLEARED:
            return None
    return None


def refusal(storage: Storage, uri: str, digest: str) -> DataError | None:
    """What is to be said of a result that is gone; None where it was not given up."""
    place, mark = _place(relative(uri)), given_up(storage, uri)
    if place is None or mark is None:
        return None
    return DataError(
        f"The result {place[0]} was {mark.words}.",
        seen=digest,
        safe=f"the record of version {mark.version}, and its numbers: slipstream versions {mark.model}.",
        hint=f"work with a version that is kept, or train {mark.model} as of another moment: that gets a new number.",
    )
