"""Which days have landed whole."""

from __future__ import annotations

from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.core.storage import Storage
from include.data.raw import RawPartitions


def whole_days(spec: PartitionOwner, storage: Storage) -> list[Partition]:
    """The days of the spec's range of which every source has landed, oldest first."""
    raw = RawPartitions.of(storage, spec)
    common = set.intersection(*(set(raw.days(source)) for source in spec.data.sources))
    return sorted(day for day in common if spec.data.holds(day))
