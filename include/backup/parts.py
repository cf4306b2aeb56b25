"""The parts of a backup, written and read through its storage: each as a whole file, by its digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from include.backup.lines import read_lines, write_lines
from include.backup.manifest import Manifest, Part
from include.core import fault
from include.core.digest import digest_file
from include.core.errors import IntegrityError
from include.core.storage import Storage

FOLDER = "parts-"
FILES = "data"  # the folder of copied files, each under its digest


class Writer:
    """Puts parts into a backup that is being made. `folder`: this attempt's own, for another may be making one there, too."""

    def __init__(self, target: Storage, id: str, scratch: Path) -> None:
        self._target, self._scratch, self.folder = target, scratch, f"{FOLDER}{id}"
        self.parts: list[Part] = []

    def lines(self, kind: str, name: str, values: Iterable[Any]) -> Part:
        """A part of JSON lines."""
        path = self._scratch / f"{name}.jsonl.gz"
        return self.file(kind, name, path, write_lines(path, values), ".jsonl.gz")

    def file(self, kind: str, name: str, source: Path, rows: int, ending: str) -> Part:
        """A part that is a file of its own."""
        within = f"{kind}/{name}" if kind != name else name
        part = Part(kind, name, f"{self.folder}/{within}{ending}", digest_file(source), source.stat().st_size, rows)
        fault.point("backup.part")
        self._target.upload(source, part.path)
        self.parts.append(part)
        return part

    def copy(self, source: Storage, path: str) -> list[Any] | None:
        """A file of the storage root, kept under its digest: what an attempt before copied is not copied again.

        Returns its line: path, digest, bytes. None for one that is gone since it was listed.
        """
        try:
            local = source.fetch(path, self._scratch)
            digest, size = digest_file(local), local.stat().st_size
        except FileNotFoundError:
            return None
        kept = data_path(digest)
        if not self._target.exists(kept):
            fault.point("backup.data")
            self._target.upload(local, kept)
        if local.is_relative_to(self._scratch):
            local.unlink()
        return [path, digest, size]

    def undo(self) -> None:
        """Remove this attempt's parts."""
        self._target.delete(self.folder)


def data_path(digest: str) -> str:
    """Where a copied file is, in the backup."""
    return f"{FILES}/{digest[:2]}/{digest}"


def fetch(source: Storage, part: Part, scratch: Path) -> Path:
    """A local file of a part. Raises IntegrityError where it is gone, or its bytes are not those that were written."""
    try:
        local = source.fetch(part.path, scratch)
    except FileNotFoundError as error:
        raise _damaged(source, part, "it is gone") from error
    if (digest := digest_file(local)) != part.digest:
        raise _damaged(source, part, digest)
    return local


def lines_of(source: Storage, manifest: Manifest, kind: str, scratch: Path) -> Iterator[Any]:
    """The values in the parts of a kind."""
    for part in manifest.of(kind):
        yield from read_lines(fetch(source, part, scratch))


def _damaged(source: Storage, part: Part, seen: str) -> IntegrityError:
    return IntegrityError(
        f"The part {part.name} of the backup is not as it was written: {source.uri(part.path)}.",
        seen=seen,
        safe="nothing was restored from it.",
        hint="take another backup; `slipstream backup verify` says all that is wrong.",
    )
