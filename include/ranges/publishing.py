"""Publishing a day of a range: what the daily DAG's `publish` does, with its fence and its look at what has changed since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from include.core.advisory_lock import exclusive
from include.core.control import ControlStore
from include.core.errors import SupersededError
from include.core.ledger import Ledger
from include.core.request import Result
from include.core.spec import ModelSpec
from include.data.published import publish, published, resource
from include.data.raw import RawPartitions
from include.features.offline.late import Digests, Late, late_days, made_of
from include.features.request import features_request
from include.ranges.known_raw import KnownRaw
from include.ranges.making import Made


@dataclass(frozen=True)
class Publisher:
    """Of one run of one range. `holder` is shown to an attempt that is refused."""

    spec: ModelSpec
    ledger: Ledger
    control: ControlStore
    holder: str
    warn: Callable[[str], None]
    raw: KnownRaw

    def publish(self, made: Made) -> tuple[Result, bool]:
        """The day's result, and whether it is published by this call. Raises SupersededError, FencedError and DataError."""
        result, day = self.ledger.resolve(made.features), made.day
        with exclusive(self.control, resource(self.spec.name, day), self.holder) as epoch:
            self._require_current(made, result)  # after the take: whoever replaces it takes later, and fences us
            share = self.spec.data.minimum_share
            changed = publish(self.control, self.spec.name, day, made.features, result.value["rows"], epoch, share)
        for source, days in result.value.get("lacked", {}).items():
            self.warn(
                f"The features of {day} lack {source} of {', '.join(days)}: those partitions of its look-back have not landed. "
                "When they do, the day is to be made again (docs/operating.md)."
            )
        return result, changed

    def _require_current(self, made: Made, result: Result) -> None:
        if features_request(self.spec, made.day, self.ledger.storage, made.verdict, self.raw).key != result.key:
            raise SupersededError(
                f"The features of {made.day} were computed from partitions or code that have changed since.",
                seen=result.key,
                safe="nothing was published; the published partition stays.",
                hint="take the day in again: it is made from what is there now.",
            )

    def late(self, last: date) -> list[Late]:
        """Published days after the range that read its last days as they were before, or lacked them."""
        data = self.spec.data
        after = last + timedelta(days=1), last + timedelta(days=data.lookback_days)
        refs = published(self.control, self.spec.name, *after) if data.lookback_days else {}
        if not refs:
            return []
        raw = RawPartitions(self.ledger.storage, self.spec.name)
        return late_days(raw, data, made_of(self.ledger, refs, {}), Digests(trust_times=True))
