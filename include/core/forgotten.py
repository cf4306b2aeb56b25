"""What `slipstream forget` leaves where it took a subject's rows away: what stood there, what stands there now, by which request.

    ledger/{step}/{digest}/g{n}/forgotten.json    of a result: its digest, and the generation that holds it without the rows
    forgotten/raw/{path}/{before}/{after}.json    of a raw partition, by its bytes before and after

A reference goes on to say the digest of before: it leads to what was left of it by these marks, as often as rows were taken away.
No mark holds anything of the subject.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from include.core.digest import canonical_json
from include.core.storage import Storage
from include.core.versioned import Format

MARK = "forgotten.json"
RAW = "forgotten/raw"
FORMAT = Format("a mark of forget")


@dataclass(frozen=True)
class Forgotten:
    """`before`, `after`: digests; `after` is empty where nothing was left, or it is to be computed anew. `generation`: of the key
    that goes on; 0 of a raw partition. `files`: by name [digest before, digest after]. `at`: UTC, ISO 8601."""

    request: str
    before: str
    after: str
    rows: int
    at: str
    path: str = ""
    generation: int = 0
    files: dict[str, list[str]] | None = None

    @classmethod
    def read(cls, storage: Storage, path: str) -> Forgotten | None:
        """The mark at a path; None where there is none."""
        try:
            body = json.loads(storage.read(path))
        except FileNotFoundError:
            return None
        fields: dict[str, Any] = FORMAT.read(body, storage.uri(path))
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__ if name in fields})

    def keep(self, storage: Storage, path: str) -> None:
        """Leave it there. The first one stays."""
        storage.create(path, canonical_json(FORMAT.stamp(asdict(self))))


def result_mark(key: str, generation: int) -> str:
    """Where the mark of a result is."""
    return f"ledger/{key}/g{generation}/{MARK}"


def _raw_folder(path: str, digest: str) -> str:
    """Where the marks of a raw partition are, whose bytes had that digest."""
    return f"{RAW}/{path.removesuffix('/part.parquet').replace('/', '.')}/{digest[:32]}"


def keep_raw(storage: Storage, mark: Forgotten) -> None:
    """Leave the mark of a raw partition. The same bytes may land again, and others be forgotten in them then."""
    mark.keep(storage, f"{_raw_folder(mark.path, mark.before)}/{mark.after[:32] or 'gone'}.json")


def raw_since(storage: Storage, path: str, digest: str) -> Iterator[Forgotten]:
    """The marks of a raw partition since it had that digest."""
    seen, left = set[str](), [digest]
    while left:
        before = left.pop(0)
        if before not in seen:
            seen.add(before)
            for place in storage.list(_raw_folder(path, before)):
                if (mark := Forgotten.read(storage, place)) is not None:
                    yield mark
                    left.append(mark.after)
