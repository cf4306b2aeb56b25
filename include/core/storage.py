"""Where bytes live: one root, local or S3, behind a few verbs.

Paths are POSIX and relative to the root. Every write is atomic: a reader sees the old bytes or the new
ones, never half of either, whenever the writer is killed. `create` is the one primitive that decides a
race: of many callers exactly one gets True.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from include.core import fault
from include.core.adapters import ADAPTERS, adapter
from include.core.address import shown
from include.core.errors import SpecError
from include.core.scratch import is_full, mark, storage_full, sweep


class Storage(Protocol):
    """The port. `include.core.storage.LocalStorage` and `include.backends.s3.storage.S3Storage` pass one suite."""

    @property
    def root(self) -> str:
        """URI of the root: an absolute path, or `s3://bucket/prefix`."""

    def read(self, path: str) -> bytes:
        """The bytes. Raises FileNotFoundError."""

    def write(self, path: str, data: bytes) -> None:
        """Replace atomically. Raises StorageFullError; the old bytes stay."""

    def create(self, path: str, data: bytes) -> bool:
        """Write only if nothing is there: True for exactly one of many callers, False for the others."""

    def upload(self, source: Path, path: str) -> None:
        """Replace `path` with the file's content, atomically."""

    def fetch(self, path: str, scratch: Path) -> Path:
        """A local file with the content: the stored one itself where it is local (do not write to it)."""

    def exists(self, path: str) -> bool: ...

    def list(self, prefix: str) -> Iterator[str]:
        """All paths below a folder, sorted; temporary files never show."""

    def changed(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """As `list`, each path with the time of its last write (UTC, by the storage's clock)."""

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """As `list`, each path with its bytes."""

    def delete(self, prefix: str) -> None:
        """Remove a file, or a folder with all below it. Silent if absent."""

    def sweep(self, prefix: str) -> None:
        """Remove the temporary files that killed writers left below a folder; those of the living stay."""

    def uri(self, path: str) -> str: ...


TEMPORARY = ".tmp-"
COPIED = 1 << 20  # bytes of a file that are in memory while it is copied


class LocalStorage:
    """A folder. Temporary file in the same folder, fsync, rename, fsync the folder."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root).absolute()

    @property
    def root(self) -> str:
        return str(self._root)

    def _at(self, path: str) -> Path:
        full = self._root / path
        if not self._lies_within(path) and not full.resolve().is_relative_to(self._root.resolve()):
            raise ValueError(f"path {path!r} leaves the storage root {self._root}")
        return full

    def _lies_within(self, path: str) -> bool:
        """Whether it does for sure: no step of it leads up, or is a link. A look at each step, not at those of the root too."""
        place = str(self._root)
        for step in path.split("/"):
            if step == ".." or path.startswith("/"):
                return False
            place = f"{place}/{step}"
            try:
                if stat.S_ISLNK(os.lstat(place).st_mode):
                    return False
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True

    def read(self, path: str) -> bytes:
        return self._at(path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        full = self._at(path)
        with self._temporary(full, len(data)) as temporary:
            _write_synced(temporary, data)
            fault.point("storage.write.temporary")
            os.replace(temporary, full)
            fault.point("storage.write.renamed")
            _sync_folder(full.parent)

    def create(self, path: str, data: bytes) -> bool:
        full = self._at(path)
        if full.exists():
            return False
        with self._temporary(full, len(data)) as temporary:
            _write_synced(temporary, data)
            fault.point("storage.create.temporary")
            try:
                os.link(temporary, full)  # atomic, with its content, and fails if taken
            except FileExistsError:
                return False
            fault.point("storage.create.linked")
            _sync_folder(full.parent)
            return True

    def upload(self, source: Path, path: str) -> None:
        full = self._at(path)
        with self._temporary(full, source.stat().st_size) as temporary:
            _copy_synced(source, temporary)
            fault.point("storage.upload.temporary")
            os.replace(temporary, full)
            fault.point("storage.upload.renamed")
            _sync_folder(full.parent)

    def fetch(self, path: str, scratch: Path) -> Path:
        del scratch
        full = self._at(path)
        if not full.is_file():
            raise FileNotFoundError(full)
        return full

    def exists(self, path: str) -> bool:
        return self._at(path).exists()

    def list(self, prefix: str) -> Iterator[str]:
        for full in sorted(self._at(prefix).rglob("*")):
            if full.is_file() and not full.name.startswith(TEMPORARY):
                yield full.relative_to(self._root).as_posix()

    def changed(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        for path in self.list(prefix):
            with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                yield path, datetime.fromtimestamp(self._at(path).stat().st_mtime, UTC)

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        for path in self.list(prefix):
            with contextlib.suppress(FileNotFoundError):
                yield path, self._at(path).stat().st_size

    def delete(self, prefix: str) -> None:
        full = self._at(prefix)
        if full.is_dir():
            shutil.rmtree(full, ignore_errors=True)
        else:
            full.unlink(missing_ok=True)

    def sweep(self, prefix: str) -> None:
        sweep(self._at(prefix), TEMPORARY, below=True)

    def uri(self, path: str) -> str:
        return str(self._at(path))

    @contextlib.contextmanager
    def _temporary(self, full: Path, size: int) -> Iterator[Path]:
        """A name beside the file that is to be written, in a folder that is there."""
        folder = full.parent
        temporary = folder / f"{TEMPORARY}{mark()}"
        try:
            if not folder.is_dir():
                self._root.mkdir(mode=0o700, parents=True, exist_ok=True)  # an existing root keeps its mode: somebody chose it
                folder.mkdir(parents=True, exist_ok=True)
            yield temporary
        except OSError as error:
            if is_full(error):
                raise storage_full(full, size) from error
            raise
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb", opener=_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _copy_synced(source: Path, path: Path) -> None:
    with source.open("rb") as read, open(path, "wb", opener=_private) as file:
        shutil.copyfileobj(read, file, COPIED)
        file.flush()
        os.fsync(file.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_storage(root: str, environ: Mapping[str, str] | None = None) -> Storage:
    """The storage behind a root: a folder, or an address whose scheme a vendor answers to. Raises SpecError.

    Its login is of `environ`, by default of this process's environment.
    """
    scheme, separator, _ = root.partition("://")
    if not separator:
        return LocalStorage(root)
    if f"storage.{scheme}" not in ADAPTERS:
        known = sorted(name.partition(".")[2] for name in ADAPTERS if name.startswith("storage."))
        raise SpecError(
            f"SLIPSTREAM_ROOT has an unknown scheme {scheme!r}.", seen=shown(root), hint=f"use a folder or one of {known}"
        )
    opener: Callable[[str, Mapping[str, str] | None], Storage] = adapter(f"storage.{scheme}")
    return opener(root, environ)
