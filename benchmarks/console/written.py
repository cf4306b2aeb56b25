"""A ledger written at once: what the steps of a year would have committed, byte for byte as `Ledger` writes it, without waiting
for the disk after each file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.core.digest import canonical_json, digest_bytes
from include.core.ledger import MARK, REQUEST, RESULT
from include.core.request import Ref, Request, Result, StoredFile


class WrittenLedger:
    """Below a storage root that is a folder."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)

    def commit(
        self,
        step: str,
        model: str,
        at: str,
        *,
        params: Mapping[str, Any],
        value: Mapping[str, Any],
        inputs: Mapping[str, Ref] | None = None,
        files: Mapping[str, bytes] | None = None,
        seconds: float = 12.0,
    ) -> Result:
        """A result of the first attempt of generation 0, committed at that moment."""
        request = Request(step, f"include.{step}.step:run", model, params, inputs or {}, "c0ffee")
        folder = f"ledger/{request.key}"
        stored = dict(self._stored(f"{folder}/g0/a1", name, data) for name, data in (files or {}).items())
        result = Result(request.key, 0, 1, value, stored, seconds, at, seconds)
        mark = {"job": "bench", "at": at, "machine": {"backend": "process", "workers": 1}}
        self.write(f"{folder}/request.json", canonical_json(REQUEST.stamp(request.to_json())))
        self.write(f"{folder}/g0/attempt-1.json", canonical_json(MARK.stamp(mark)))
        self.write(f"{folder}/g0/result.json", canonical_json(RESULT.stamp(result.to_json())))
        return result

    def write(self, path: str, data: bytes) -> None:
        full = f"{self.root}/{path}"
        try:
            handle = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            handle = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(handle, data)
        os.close(handle)

    def _stored(self, folder: str, name: str, data: bytes) -> tuple[str, StoredFile]:
        digest = digest_bytes(data)
        path = f"{folder}/{digest[:12]}/{name}"
        self.write(path, data)
        return name, StoredFile(path, digest, len(data))


def ref(result: Result) -> Ref:
    return Ref(result.path, result.digest, result.key.partition("/")[0])


def text(value: object) -> bytes:
    return json.dumps(value).encode()
