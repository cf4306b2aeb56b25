"""Which results a ledger has: enough to say later whether a storage holds the same ones, without their bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from include.core.forgotten import MARK, Forgotten
from include.core.storage import Storage


@dataclass(frozen=True)
class Indexed:
    """A result: where it lies below the root, its digest, and its files by path with their digests and bytes.

    One that was damaged when the index was made has no digest, and no files.
    """

    path: str
    digest: str
    files: dict[str, tuple[str, int]]

    @property
    def key(self) -> str:
        return key_of(self.path)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Indexed:
        return cls(value["path"], value["digest"], {path: (digest, size) for path, digest, size in value["files"]})


def key_of(path: str) -> str:
    """The key of a result, by where it lies."""
    return path.removeprefix("ledger/").rpartition("/g")[0]


def index(storage: Storage) -> Iterator[dict[str, Any]]:
    """A line for each result that is there, by path."""
    for path in storage.list("ledger"):
        if path.endswith("/result.json"):
            try:
                yield _line(path, storage.read(path))
            except FileNotFoundError:  # given up since it was listed: slipstream gc
                continue
        elif path.endswith(f"/{MARK}") and (mark := Forgotten.read(storage, path)) is not None:
            # What refers to it goes on to say the digest of before.
            yield {"path": f"{path.removesuffix(MARK)}result.json", "digest": mark.before, "files": []}


def _line(path: str, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
        files = [[file["path"], file["digest"], file["bytes"]] for file in value["files"].values()]
        return {"path": path, "digest": str(value["digest"]), "files": files}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"path": path, "digest": "", "files": []}
