"""What a model waits for of the feature sets that it reads: their day is published by a DAG of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from include.core.control import ControlStore
from include.core.spec import FeatureSet, ModelSpec
from include.data.published import published


def unpublished(spec: ModelSpec, day: date, control: ControlStore, feature_set: Callable[[str], FeatureSet]) -> dict[str, date]:
    """The feature sets whose day is not published, each with the day that is waited for.

    A set that ended before is waited for up to its last day; one that begins later, not at all. Days before are not asked
    about: what a set lacks of them, no wait will bring.
    """
    found: dict[str, date] = {}
    for name in spec.features.owners:
        data = feature_set(name).data
        wanted = min(day, data.last or day)
        if wanted >= data.first and not published(control, name, wanted, wanted):
            found[name] = wanted
    return found
