"""Checkpoints that can be trusted: one atomic write each, the digest of the content in the name.

A name that holds the digest needs no second file, so no kill can part a checkpoint from its proof. A torn
or bit-flipped file (torch and safetensors both load one flipped byte silently) is skipped with a message.
"""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from include.core import fault
from include.core.digest import digest_bytes, digest_file
from include.core.housekeeping import housekeeping
from include.core.scratch import scratch_folder
from include.core.storage import Storage

log = logging.getLogger(__name__)

_FILE = re.compile(r"(?P<name>.+)\.(?P<digest>[0-9a-f]{64})")
_STEP = re.compile(r"step-(\d{9})")
_SHARD = re.compile(r"shard-(\d{9})-.+")


@dataclass(frozen=True)
class CheckpointStore:
    """A folder of verified blobs, shared by the attempts of one generation."""

    storage: Storage
    folder: str
    keep: int = 3  # step checkpoints kept: older ones are the fallback when the newest is torn

    def save(self, name: str, data: bytes) -> str:
        """Write under a name, atomically, and return the digest. Raises StorageFullError; earlier checkpoints stay."""
        digest = digest_bytes(data)
        fault.point("checkpoint.save")
        self.storage.write(f"{self.folder}/{name}.{digest}", data)
        fault.point("checkpoint.saved")
        return digest

    def forget(self, name: str) -> None:
        """Remove all that has the name."""
        for path, _ in self._files().get(name, []):
            self.storage.delete(path)

    def save_file(self, name: str, source: Path) -> None:
        """As `save`, of a file that is larger than memory may be."""
        fault.point("checkpoint.save")
        self.storage.upload(source, f"{self.folder}/{name}.{digest_file(source)}")
        fault.point("checkpoint.saved")

    def load(self, name: str) -> bytes | None:
        """The verified bytes of that name, or None if there are none."""
        for path, digest in self._files().get(name, []):
            try:
                data = self.storage.read(path)
            except FileNotFoundError:  # pruned meanwhile by another attempt
                continue
            if digest_bytes(data) == digest:
                return data
            log.warning("checkpoint %s skipped: its bytes do not match their digest", self.storage.uri(path))
        return None

    def load_blob(self, name: str, digest: str) -> bytes | None:
        """The bytes of that name and digest, or None where they are gone or damaged."""
        try:
            data = self.storage.read(f"{self.folder}/{name}.{digest}")
        except FileNotFoundError:
            log.warning("checkpoint %s skipped: its part %s is gone", self.folder, name)
            return None
        if digest_bytes(data) == digest:
            return data
        log.warning("checkpoint %s skipped: the bytes of its part %s do not match their digest", self.folder, name)
        return None

    def load_file(self, name: str, target: Path) -> bool:
        """As `load`, into a file. False if there is none that can be verified; the target is left out then."""
        for path, digest in self._files().get(name, []):
            with scratch_folder() as scratch:
                try:
                    shutil.copyfile(self.storage.fetch(path, scratch), target)
                except FileNotFoundError:
                    continue
            if digest_file(target) == digest:
                return True
            log.warning("checkpoint %s skipped: its bytes do not match their digest", self.storage.uri(path))
            target.unlink()
        return False

    def save_step(self, step: int, data: bytes) -> None:
        """Write the checkpoint of a step and drop those that are no longer needed."""
        self.save(f"step-{step:09d}", data)
        with housekeeping("older checkpoints"):
            self._prune(step)

    def _prune(self, step: int) -> None:
        files = self._files()
        earlier = [number for number in self.steps() if number < step]
        kept = [*earlier[-self.keep + 1 :], step] if self.keep > 1 else [step]
        for pattern in (_STEP, _SHARD):  # a step goes before its shards; those of steps that are kept are named by them
            for name, found in files.items():
                if (match := pattern.fullmatch(name)) and int(match[1]) < kept[0]:
                    for path, _ in found:
                        self.storage.delete(path)

    def load_step(self, step: int) -> bytes | None:
        return self.load(f"step-{step:09d}")

    def steps(self) -> list[int]:
        """Steps with a checkpoint, rising; not yet verified."""
        return sorted(int(match[1]) for name in self._files() if (match := _STEP.fullmatch(name)))

    def newest(self) -> tuple[int, bytes] | None:
        """The newest verified checkpoint and its step, or None to start from scratch."""
        for step in reversed(self.steps()):
            data = self.load_step(step)
            if data is not None:
                return step, data
        return None

    def _files(self) -> dict[str, list[tuple[str, str]]]:
        """(path, digest) of the files directly in the folder, by name."""
        found: dict[str, list[tuple[str, str]]] = {}
        for path in self.storage.list(self.folder):
            match = _FILE.fullmatch(path.removeprefix(f"{self.folder}/"))
            if match and "/" not in match["name"]:
                found.setdefault(match["name"], []).append((path, match["digest"]))
        return found
