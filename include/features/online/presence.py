"""Which views are lost: published, and with none of their rows online. An entity that nobody knows is something else.

A store forgets everything when it is flushed, its file is removed, or its address leads to another one. Each answer is
then made of defaults, as for an unknown entity. What tells the two apart is what was published: rows that would still be
served if they were there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.partition import Partition
from include.core.spec import PartitionOwner, View
from include.core.time import parse_time, utc_now
from include.core.versioned import Format
from include.data.published import rows_in
from include.online_store.store import OnlineStore

MATERIALIZATIONS = DocumentKind("online", Format("the record of a materialization"))  # by model


def named(view: View) -> str:
    return f"{view.name}@{view.version}"


@dataclass(frozen=True)
class Published:
    """What the control store says of a model's published rows, and of when each day was last brought online."""

    rows: Mapping[Partition, Mapping[str, int]]  # by day and dataset
    brought: Mapping[str, datetime]  # by the name of the day; UTC, without zone
    records: Sequence[Mapping[str, Any]] = ()  # of the materializations
    sets: Mapping[str, Published] = field(default_factory=dict)  # the same of the feature sets that the model reads

    def of(self, view: View) -> Published:
        """That of the view's owner."""
        return self.sets.get(view.set, NOTHING) if view.set else self

    def served(self, view: View, now: datetime) -> bool:
        """Whether some published row of a view should be online at `now` (UTC, without zone)."""
        whose = self.of(view)
        days = [day for day, rows in whose.rows.items() if rows.get(view.name, 0) > 0]
        return any(day.end > outlived(view, now) or whose._lives(day, view, now) for day in days)

    def lives(self, day: Partition | str, view: View, now: datetime) -> bool:
        """Whether what was brought online of a day is still to be there: it lives a ttl from then on."""
        return self.of(view)._lives(day, view, now)

    def _lives(self, day: Partition | str, view: View, now: datetime) -> bool:
        return str(day) in self.brought and self.brought[str(day)] > outlived(view, now)


NOTHING = Published({}, {})


@dataclass(frozen=True)
class Presence:
    """A view's rows online."""

    view: View
    served: bool  # whether there should be any
    holds: bool  # whether there are
    epoch: str  # of the store
    brought: int  # days that were brought online
    lost: int  # those of them that the store has lost since

    @property
    def empty(self) -> bool:
        """Whether the whole view is lost."""
        return self.served and not self.holds

    @property
    def words(self) -> str:
        """What is wrong with it; empty where all is well."""
        if self.empty:
            return f"{self.view.name} is lost: it is published, and none of its rows are online"
        if self.lost:
            return f"{self.view.name} lacks rows: the store has lost those of {self.lost} of {self.brought} days"
        return ""


def published_rows(control: ControlStore, model: str, views: Iterable[View] = ()) -> Published:
    """Reads the published days and the records of what was brought online; those of the feature sets, too, that the views are
    of."""
    with control.transaction() as connection:
        sets = {name: _published_in(connection, name) for name in dict.fromkeys(view.set for view in views if view.set)}
        return replace(_published_in(connection, model), sets=sets)


def _published_in(connection: sa.Connection, owner: str) -> Published:
    rows = rows_in(connection, owner)
    brought = MATERIALIZATIONS.about_in(connection, owner)
    at = {str(record.body["day"]): parse_time(record.at) for record in brought}
    return Published(rows, at, [record.body for record in brought])


def presence(
    store: OnlineStore, spec: PartitionOwner, views: Sequence[View], published: Published, now: datetime
) -> list[Presence]:
    """Of each view. Raises UnreachableError if the store does not answer."""
    if not views:
        return []
    looks = zip(views, store.holds(spec.name, views), store.epochs(spec.name, views), strict=True)
    return [
        Presence(view, published.served(view, now), holds, epoch, *_lost(published, view, epoch, now))
        for view, holds, epoch in looks
    ]


def empty_views(
    store: OnlineStore, spec: PartitionOwner, views: Sequence[View], published: Published, *, closely: bool = True
) -> list[str]:
    """Names of the views that are lost as a whole, now. Not `closely`: by their marks alone, which go with the rows unless
    somebody removes rows one by one; one read for all views."""
    if not views:
        return []
    now = utc_now()
    held = store.holds(spec.name, views) if closely else [at is not None for at in store.newest(spec.name, views)]
    looks = zip(views, held, strict=True)
    return [view.name for view, holds in looks if not holds and published.served(view, now)]


def _lost(published: Published, view: View, epoch: str, now: datetime) -> tuple[int, int]:
    """How many days were brought online, and how many of them before the store lost the view. A record from before epochs
    were kept says nothing of that; what has outlived its ttl is lost to nobody."""
    epochs: dict[str, set[str]] = {}
    for record in published.of(view).records:
        if published.lives(record["day"], view, now):
            epochs.setdefault(record["day"], set()).add(record.get("epochs", {}).get(named(view), epoch))
    return len(epochs), sum(epoch not in seen for seen in epochs.values())


def of_epochs(views: Iterable[View], epochs: Collection[str]) -> dict[str, str]:
    """By version of a view."""
    return {named(view): epoch for view, epoch in zip(views, epochs, strict=True)}


def outlived(view: View, now: datetime) -> datetime:
    """What was written before this moment has outlived its ttl at `now`."""
    endless = view.ttl is None or view.ttl.days >= now.toordinal() - 1
    return datetime.fromordinal(1) if endless or view.ttl is None else now - view.ttl
