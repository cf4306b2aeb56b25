"""How old the newest online value of each view is, against what its definition allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.core.spec import PartitionOwner, View
from include.core.time import MICROSECOND, utc_now
from include.online_store.store import OnlineStore

AGE, LIMIT = "slipstream_feature_age_seconds", "slipstream_feature_freshness_seconds"


@dataclass(frozen=True)
class Freshness:
    view: str
    newest: datetime | None  # UTC, without zone; None: nothing was ever written
    age: timedelta | None
    limit: timedelta | None  # the view's `freshness`; None: any age will do

    @property
    def stale(self) -> bool:
        return self.limit is not None and (self.age is None or self.age > self.limit)


def freshness(store: OnlineStore, spec: PartitionOwner, now: datetime, views: Sequence[View] | None = None) -> list[Freshness]:
    """Each view at a moment (UTC, without zone), those of feature sets included. A source that has ended is judged as of its end.

    `views`: some of them, by default all that are read. Raises UnreachableError if the store does not answer.
    """
    views = spec.features.views if views is None else views
    newest = zip(views, store.newest(spec.name, views), strict=True)
    return [Freshness(view.name, at, _age(spec, view, at, now), view.freshness) for view, at in newest]


def _age(spec: PartitionOwner, view: View, at: datetime | None, now: datetime) -> timedelta | None:
    last = view.last if view.set else spec.data.last
    until = now if last is None else min(now, view.cadence.at(view.cadence.end_of_day(last) - MICROSECOND).end)
    return None if at is None else max(until - at, timedelta(0))


def stale_words(found: Iterable[Freshness]) -> list[str]:
    """A sentence for each view that is older than it may be."""
    return [
        f"{each.view}: the newest value online is {'none at all' if each.newest is None else f'of {each.newest} UTC'}, "
        f"older than its freshness of {each.limit}."
        for each in found
        if each.stale
    ]


def samples(store: OnlineStore, spec: PartitionOwner) -> Iterator[tuple[str, tuple[str, str], float]]:
    """For the metrics page, as of now. What a view never had, or never promised, has none."""
    for each in freshness(store, spec, utc_now()):
        if each.age is not None:
            yield AGE, (spec.name, each.view), each.age.total_seconds()
        if each.limit is not None:
            yield LIMIT, (spec.name, each.view), each.limit.total_seconds()
