"""Precomputed scores on a request's way: what a batch gave to the entity, for when no version or no feature is there.

No version said it in answer to this request: the record names none, is degraded, and says which version the batch was scored with
and how old it is. It counts for nobody in monitoring, and is no evidence in a rollout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.online_store.precomputed import Precomputed, taken
from include.serving.prediction.lost_views import FLAG
from include.serving.prediction.rows import Row

PRECOMPUTED = "precomputed"  # in `degraded`
AWAY = "features"


def taken_from(rows: Mapping[str, dict[str, Any]]) -> Precomputed | None:
    """What is known of an entity, out of its row for each set of views, which hold their views' values alone then."""
    found = [taken(row) for row in rows.values()]
    return next((each for each in found if each is not None), None)


def features_away(degraded: Sequence[str]) -> bool:
    """Whether the defaults stand in for all features, or for all of a view whose rows the store has lost."""
    return any(reason == AWAY or reason.startswith(FLAG) for reason in degraded)


def usable(row: Row) -> Precomputed | None:
    """What may be answered: of the champion's scores, or of those of the one before it. Of a version that was rolled back or
    withdrawn nothing is said any more."""
    held, route = row.precomputed, row.deployment.route
    return held if held is not None and held.version in (route.champion, route.previous) else None
