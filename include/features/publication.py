"""Publishing a day's features, for all who do it: the DAG's task, a range of days, a notebook, a command.

Readers see the partition before or the new one, never half. What was computed from what has been replaced since is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from include.core.advisory_lock import exclusive
from include.core.control import ControlStore
from include.core.errors import SupersededError
from include.core.ledger import Ledger
from include.core.partition import Partition, refuse_future
from include.core.request import Result
from include.core.spec import PartitionOwner
from include.data.published import publish, published_within, resource
from include.data.raw import RawPartitions
from include.features.offline.late import Digests, Late, late_days, made_of


def publish_current(
    spec: PartitionOwner, ledger: Ledger, control: ControlStore, result: Result, *, holder: str, key: Callable[[], str], hint: str
) -> bool:
    """Make the `features` result its day's partition; returns whether it was not. Of several publishers the first does it.

    `holder` is shown to an attempt that is refused; `key()` says what the day's request is by now, and `hint` what to do where
    that is another. Raises SupersededError then, and FencedError and DataError.
    """
    day = Partition.read(result.value)
    refuse_future(day)
    with exclusive(control, resource(spec.name, day), holder) as epoch:
        if key() != result.key:  # asked after the take: whoever replaces the day takes later, and fences us
            raise SupersededError(
                f"The features of {day} were computed from partitions or code that have changed since.",
                seen=result.key,
                safe="nothing was published; the published partition stays.",
                hint=hint,
            )
        return publish(control, spec.name, day, ledger.ref(result), result.value["rows"], epoch, spec.data.minimum_share)


def lacking(result: Result) -> Iterator[str]:
    """What a day's features lack, a sentence a source."""
    for source, days in result.value.get("lacked", {}).items():
        yield (
            f"The features of {result.value['day']} lack {source} of {', '.join(days)}: those partitions of its look-back "
            "have not landed. When they do, the day is to be made again (docs/operating.md)."
        )


def late_after(spec: PartitionOwner, ledger: Ledger, control: ControlStore, day: Partition) -> list[Late]:
    """Published days after this one that read its partitions as they were before, or lacked them."""
    until = spec.data.cadence.reading_until(day, timedelta(days=spec.data.lookback_days))
    refs = published_within(control, spec.name, day.end, until) if until > day.end else {}
    if not refs:
        return []
    raw = RawPartitions.of(ledger.storage, spec)
    return late_days(raw, spec.data, made_of(ledger, refs, {}), Digests(trust_times=True))
