"""How old the newest online value of each view is, against what its definition allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.core.spec import ModelSpec
from include.core.time import utc_now
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


def freshness(store: OnlineStore, spec: ModelSpec, now: datetime) -> list[Freshness]:
    """Each view at a moment (UTC, without zone). A source that has ended is judged as of its end.

    Raises UnreachableError if the store does not answer.
    """
    if spec.data.last is not None:
        now = min(now, spec.data.latest(spec.data.last).end)
    views = spec.features.views
    newest = zip(views, store.newest(spec.name, views), strict=True)
    return [Freshness(view.name, at, None if at is None else max(now - at, timedelta(0)), view.freshness) for view, at in newest]


def stale_words(found: Iterable[Freshness]) -> list[str]:
    """A sentence for each view that is older than it may be."""
    return [
        f"{each.view}: the newest value online is {'none at all' if each.newest is None else f'of {each.newest} UTC'}, "
        f"older than its freshness of {each.limit}."
        for each in found
        if each.stale
    ]


def samples(store: OnlineStore, spec: ModelSpec) -> Iterator[tuple[str, tuple[str, str], float]]:
    """For the metrics page, as of now. What a view never had, or never promised, has none."""
    for each in freshness(store, spec, utc_now()):
        if each.age is not None:
            yield AGE, (spec.name, each.view), each.age.total_seconds()
        if each.limit is not None:
            yield LIMIT, (spec.name, each.view), each.limit.total_seconds()
