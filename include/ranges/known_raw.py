"""Raw partitions whose digests are read once, for as long as each file stays the same one.

A range asks for the digests of every day's look-back twice: when the day is made, and before it is published. Of a local
file its number, size and times say whether it has changed; among them the time of its status, which nobody can set.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import date

from include.core.partition import Partition
from include.core.storage import LocalStorage
from include.data.raw import RawPartitions

_Stamp = tuple[int, ...]


@dataclass(frozen=True)
class KnownRaw(RawPartitions):
    _known: dict[tuple[str, Partition | date], tuple[_Stamp, str]] = field(default_factory=dict, repr=False, compare=False)

    def digest(self, source: str, day: Partition | date) -> str:
        stamp = self._stamp(source, day)
        known = self._known.get((source, day))
        if known is not None and known[0] == stamp:
            return known[1]
        found = super().digest(source, day)
        if stamp is not None:
            self._known[source, day] = stamp, found
        return found

    def exists(self, source: str, day: Partition | date) -> bool:
        return self._stamp(source, day) is not None if isinstance(self.storage, LocalStorage) else super().exists(source, day)

    def _stamp(self, source: str, day: Partition | date) -> _Stamp | None:
        """None where the file is not there, or no local one."""
        if not isinstance(self.storage, LocalStorage):
            return None
        try:
            status = os.stat(os.path.join(self.storage.root, self.path(source, day)))
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
