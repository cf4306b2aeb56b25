"""Checkpoints that can be trusted: one atomic write each, the digest of the content in the name.

A name that holds the digest needs no second file, so no kill can part a checkpoint from its proof. A torn
or bit-flipped file (torch and safetensors both load one flipped byte silently) is skipped with a message.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from include.core import fault
from include.core.digest import digest_bytes
from include.core.housekeeping import housekeeping
from include.core.storage import Storage

log = logging.getLogger(__name__)

_FILE = re.compile(r"(?P<name>.+)\.(?P<digest>[0-9a-f]{64})")
_STEP = re.compile(r"step-(\d{9})")


@dataclass(frozen=True)
class CheckpointStore:
    """A folder of verified blobs, shared by the attempts of one generation."""

    storage: Storage
    folder: str
    keep: int = 3  # step checkpoints kept: older ones are the fallback when the newest is torn

    def save(self, name: str, data: bytes) -> None:
        """Write under a name, atomically. Raises StorageFullError; earlier checkpoints stay."""
        fault.point("checkpoint.save")
        self.storage.write(f"{self.folder}/{name}.{digest_bytes(data)}", data)
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

    def save_step(self, step: int, data: bytes) -> None:
        """Write the checkpoint of a step and drop those that are no longer needed."""
        self.save(f"step-{step:09d}", data)
        with housekeeping("older checkpoints"):
            self._prune(step)

    def _prune(self, step: int) -> None:
        files = self._files()
        for old in [number for number in self.steps() if number < step][: -self.keep + 1 or None]:
            for path, _ in files.get(f"step-{old:09d}", []):
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
