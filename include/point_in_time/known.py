"""What is known of a view at a moment: the one definition that training, replay, batch scoring and catching up share.

A value stands at a moment t if its row is the newest of its key that was known by t (include/point_in_time/join.py), and no
older than the view's `ttl`. A partition holds what became known in it. So the rows that may stand from t on lie in
the partitions from the one of t - ttl; without a ttl in every published one, for a value that never changes again is known for
ever, as it is online.

Rows of the partitions before t are all known by t: of those only the newest of each key can stand. They are reduced to it
while they are read, so memory follows the keys, not the partitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.partition import BEGINNING
from include.core.request import Ref, Result
from include.core.spec import View
from include.data.published import published_within
from include.data.sql import quoted
from include.model_contract.view_version import one_version
from include.point_in_time.join import CREATED, EVENT, Side, join, side
from include.point_in_time.partition import DailyFiles, files_of, partition_of

ROW, NEWEST = '"_row"', '"_newest"'  # SQL names that no author's column can have


@dataclass(frozen=True)
class KnownFiles:
    """Files by dataset, oldest first: those of the days asked about, and the views' files of the days before them."""

    days: DailyFiles
    before: DailyFiles

    def of_view(self, name: str) -> list[str]:
        return [*self.before.get(name, ()), *self.days.get(name, ())]


def reach(view: View, start: datetime) -> datetime:
    """A value that stands at `start` (UTC, without zone) or later is in a partition that ends after this moment."""
    for_ever = view.ttl is None or view.ttl.days >= start.toordinal() - 1
    return BEGINNING if for_ever or view.ttl is None else start - view.ttl


def first_reach(views: Iterable[View], start: datetime) -> datetime:
    """The same of several views; `start` for none."""
    return min((reach(view, start) for view in views), default=start)


def known_days(control: ControlStore, model: str, views: Sequence[View], start: datetime, end: datetime) -> dict[str, Ref]:
    """Inputs of a request that asks about times from `start` to `end`: every published partition that may matter, by its name:
    those that are over by `end`. One that is published late, or again, makes another request."""
    found = published_within(control, model, first_reach(views, start), end)
    return {partition.name: ref for partition, ref in found.items() if partition.end <= end}


def within(views: Iterable[View], days: Mapping[str, Result], start: datetime) -> dict[str, dict[str, str]]:
    """By partition the versions of the views that are read of it: of all from `start` on, before it of those in reach."""
    reached = {view.name: reach(view, start) for view in views}
    ends = {day: partition_of(day, result).end for day, result in days.items()}
    return {
        day: {
            name: made
            for name, made in result.value.get("versions", {}).items()
            if name not in reached or ends[day] > reached[name]
        }
        for day, result in days.items()
    }


def checked_version(views: Iterable[View], days: Mapping[str, Result], start: datetime) -> dict[str, str]:
    """The version of each view that all days share of which it is read. Raises DataError where there are more."""
    return one_version(within(views, days, start))


def known_files(
    ledger: Ledger,
    views: Iterable[View],
    days: Mapping[str, Result],
    start: datetime,
    folder: Path,
    others: Sequence[str] = ("entities", "labels"),
    only: Mapping[str, str] | None = None,
) -> KnownFiles:
    """Local files of the published `days`, by their names, for what is asked from `start` on. Of the partitions before it
    nothing is fetched but the views' rows that may still stand.

    `others`: datasets that are no views. `only`: versions of the views; days that were computed by another are left out.
    """
    ends = {day: partition_of(day, result).end for day, result in days.items()}
    now = files_of(ledger, {day: each for day, each in days.items() if ends[day] > start}, folder, others)
    before: DailyFiles = {}
    for view in views:
        reached = reach(view, start)
        held = {day: each for day, each in days.items() if ends[day] > reached and _is(each, view.name, only)}
        now |= files_of(ledger, {day: each for day, each in held.items() if ends[day] > start}, folder, [view.name])
        before |= files_of(ledger, {day: each for day, each in held.items() if ends[day] <= start}, folder, [view.name])
    return KnownFiles(now, before)


def _is(result: Result, view: str, only: Mapping[str, str] | None) -> bool:
    """Whether the day's rows of a view are of the version that is meant; a day that recorded none is taken as it is."""
    made = result.value.get("versions", {}).get(view)
    return only is None or made is None or made == only.get(view, made)


def known_at(views: Iterable[View], files: KnownFiles, entities: str, before: Sequence[str], after: Sequence[str] = ()) -> str:
    """SQL: the point-in-time join (include/point_in_time/join.py) over the files.

    The files of the days before are reduced to what stands.

    `entities`, `before` and `after` are those of `point_in_time`; no entity row may be older than the first day asked about.
    """
    return join([known_side(view, files) for view in views], entities, before, after)


def known_side(view: View, files: KnownFiles) -> Side:
    """A view's rows for entity rows of the days asked about."""
    now, earlier = files.days.get(view.name, ()), files.before.get(view.name, ())
    if not earlier:
        return side(view, now)
    standing = _standing(side(view, earlier))
    if not now:
        return replace(side(view, earlier), rows=f"({standing})")
    rows = side(view, now)
    return replace(rows, rows=f"(SELECT * FROM {rows.rows} UNION ALL BY NAME {standing})")


def _standing(earlier: Side) -> str:
    """SQL of each key's newest row. Ties there are none: a partition's keys and times are unique, and its times its own."""
    created = f"coalesce({CREATED}, {EVENT})" if earlier.created else EVENT
    order = f"({EVENT}, {created})" if earlier.created else EVENT
    by_key = f"GROUP BY {quoted(*earlier.keys)}" if earlier.keys else ""
    finite = f"isfinite({EVENT}) AND isfinite({created})"
    newest = f"SELECT arg_max({ROW}, {order}) AS {NEWEST} FROM {earlier.rows} AS {ROW} WHERE {finite} {by_key}"
    return f"SELECT unnest({NEWEST}) FROM ({newest}) WHERE {NEWEST} IS NOT NULL"
