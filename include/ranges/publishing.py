"""Publishing a day of a range: what the daily DAG's `publish` does, with its fence and its look at what has changed since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Result
from include.core.spec import PartitionOwner
from include.features.offline.late import Late
from include.features.publication import lacking, late_after, publish_current
from include.features.request import features_request
from include.ranges.known_raw import KnownRaw
from include.ranges.making import Made


@dataclass(frozen=True)
class Publisher:
    """Of one run of one range. `holder` is shown to an attempt that is refused."""

    spec: PartitionOwner
    ledger: Ledger
    control: ControlStore
    holder: str
    warn: Callable[[str], None]
    raw: KnownRaw

    def publish(self, made: Made) -> tuple[Result, bool]:
        """The day's result, and whether it is published by this call. Raises SupersededError, FencedError and DataError."""
        result = self.ledger.resolve(made.features)
        changed = publish_current(
            self.spec,
            self.ledger,
            self.control,
            result,
            holder=self.holder,
            key=lambda: features_request(self.spec, made.day, self.ledger.storage, made.verdict, self.raw).key,
            hint="take the day in again: it is made from what is there now.",
        )
        for words in lacking(result):
            self.warn(words)
        return result, changed

    def late(self, last: Partition) -> list[Late]:
        """Published days after the range that read its last days as they were before, or lacked them."""
        return late_after(self.spec, self.ledger, self.control, last)
