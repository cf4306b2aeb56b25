"""What a model waits for of the feature sets that it reads: their partitions are published by a DAG of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from include.core.control import ControlStore
from include.core.partition import Partition
from include.core.spec import Data, FeatureSet, ModelSpec
from include.core.time import MICROSECOND
from include.data.published import published


def unpublished(
    spec: ModelSpec, end: datetime, control: ControlStore, feature_set: Callable[[str], FeatureSet]
) -> dict[str, Partition]:
    """The feature sets whose newest partition before `end` (UTC, without zone) is not published, each with that partition.

    A set that ended before is waited for up to its last one; one that begins later, not at all. Earlier ones are not asked
    about: what a set lacks of them, no wait will bring.
    """
    found: dict[str, Partition] = {}
    for name in spec.features.owners:
        wanted = _newest_over(feature_set(name).data, end)
        if wanted is not None and wanted not in published(control, name, wanted, wanted):
            found[name] = wanted
    return found


def _newest_over(data: Data, end: datetime) -> Partition | None:
    """The newest partition of a source that is over by `end`; None where none is."""
    held = data.cadence.at(end - MICROSECOND)
    wanted = held if held.end <= end else data.cadence.previous(held)
    if data.last is not None:
        wanted = min(wanted, data.latest(data.last))
    return wanted if wanted >= data.earliest else None
