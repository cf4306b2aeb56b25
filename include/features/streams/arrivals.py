"""Which events count, and the order in which they came to be known: by their partition, so that every reader finds the same.

Each event gets a stamp: the log's own time, but always newer than the stamp before it in its partition. A row carries the newest
stamp of what it was made of. So of two rows for one key and event time the one that knew more replaces the other, whoever writes
last: a reader that was left behind writes older stamps, one that reads again after a kill the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
NOTHING = -(2**62)


@dataclass
class Partition:
    """What is known of one partition number, over all topics. Microseconds since 1970."""

    newest: int = NOTHING
    """The newest event time: its own watermark, which says what is late."""
    since: int = -NOTHING
    """While its state is made again: the oldest event time of what came after the committed position."""


@dataclass
class Arrivals:
    """`late`: how far an event may lie behind (microseconds)."""

    late: int
    partitions: dict[int, Partition] = field(default_factory=dict)
    stamps: dict[int, int] = field(default_factory=dict)  # the newest that was given: by partition, or of all together

    def of(self, number: int) -> Partition:
        return self.partitions.setdefault(number, Partition())

    def on_time(
        self, number: int, times: Numbers | Sequence[int], latest: int, dropped: Numbers | int = NOTHING
    ) -> tuple[Numbers, Numbers]:
        """Places of the events of one partition, in their order, that are too late; and of those that are ahead of `latest`.

        `dropped`: for each, or all: what was late by then is kept no more, whatever the partition's own newest time. Moves
        the partition's watermark by the others.
        """
        known, found = self.of(number), np.asarray(times, np.int64)
        ahead = found > latest
        counted = np.where(ahead, NOTHING, found)
        before = np.maximum.accumulate(np.concatenate(([known.newest], counted)))
        newest = np.maximum(before[:-1], dropped)
        is_late = ~ahead & (found < newest - self.late) & (newest > NOTHING)
        known.newest = int(before[-1])
        return np.flatnonzero(is_late), np.flatnonzero(ahead)

    def begin(self, chain: int, stamp: int) -> None:
        """Stamps from now on are newer than that one."""
        self.stamps[chain] = max(self.stamps.get(chain, 0), stamp)

    def stamped(self, chain: int, given: Sequence[int], latest: int) -> Numbers:
        """Stamps of new events, from the log's. A time that no clock has shown yet moves no stamp ahead."""
        log = np.asarray(given, np.int64)
        log = np.where(log > latest, 0, log)
        steps = np.arange(1, len(log) + 1, dtype=np.int64)
        stamps = np.maximum(np.maximum.accumulate(log - steps), self.stamps.get(chain, 0)) + steps
        if len(stamps):
            self.stamps[chain] = int(stamps[-1])
        return stamps
