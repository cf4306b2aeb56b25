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
from typing import Any, TypeVar

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

OF_SET = "@"  # between a feature set and a day, in the name of an input
ROW, NEWEST = '"_row"', '"_newest"'  # SQL names that no author's column can have

Each = TypeVar("Each")


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


def known_days(
    control: ControlStore, model: str, views: Sequence[View], start: datetime, end: datetime, *, whole: bool = True
) -> dict[str, Ref]:
    """Inputs of a request that asks about times from `start` to `end`: every published partition that may matter, by its name:
    those that are over by `end`, or not `whole` those that have begun; those of a feature set that the views are of by
    `set@partition`. One that is published late, or again, makes another request."""
    own = [view for view in views if not view.set]
    found = _named(control, model, own, start, end, whole)
    for name in dict.fromkeys(view.set for view in views if view.set):
        theirs = _named(control, name, [view for view in views if view.set == name], start, end, whole)
        found |= {f"{name}{OF_SET}{day}": ref for day, ref in theirs.items()}
    return found


def _named(
    control: ControlStore, owner: str, views: Sequence[View], start: datetime, end: datetime, whole: bool
) -> dict[str, Ref]:
    found = published_within(control, owner, first_reach(views, start), end)
    return {partition.name: ref for partition, ref in found.items() if not whole or partition.end <= end}


def days_of(days: Mapping[str, Each], owner: str = "") -> dict[str, Each]:
    """Of such inputs the model's own partitions, or those of a feature set; by their names."""
    if not owner:
        return {name: each for name, each in days.items() if OF_SET not in name}
    return {name.removeprefix(f"{owner}{OF_SET}"): each for name, each in days.items() if name.startswith(f"{owner}{OF_SET}")}


def newest_versions(views: Iterable[View], days: Mapping[str, Result]) -> dict[str, str]:
    """The versions of the newest published partition: of the model's own views, and of those that it reads of feature sets."""
    found: dict[str, str] = {}
    for owner, names in _by_owner(views).items():
        own = days_of(days, owner)
        made = own[max(own)].value.get("versions", {}) if own else {}
        found |= {name: version for name, version in made.items() if name in names or not owner}
    return found


def newest_definitions(views: Iterable[View], days: Mapping[str, Result]) -> dict[str, Any]:
    """The same of their definitions, as JSON. A feature set's view says there whose it is: so a model carries it on."""
    found: dict[str, Any] = {}
    for owner, names in _by_owner(views).items():
        own = days_of(days, owner)
        made = own[max(own)].value.get("definitions", {}) if own else {}
        if owner:
            made = {name: {**each, "view": {**each["view"], "set": owner}} for name, each in made.items() if name in names}
        found |= made
    return found


def within(views: Iterable[View], days: Mapping[str, Result], start: datetime) -> dict[str, dict[str, str]]:
    """By partition the versions of the views that are read of it: of all from `start` on, before it of those in reach.

    Of a feature set's those that the model reads; of its own none that it reads of a set by now."""
    views = list(views)
    by_owner, shared = _by_owner(views), {view.name for view in views if view.set}
    reached, found = {view.name: reach(view, start) for view in views}, dict[str, dict[str, str]]()
    for name, result in days.items():
        owner, _, day = name.rpartition(OF_SET)
        end, made = partition_of(day, result).end, result.value.get("versions", {})
        read = {each for each in made if each in by_owner.get(owner, ())} if owner else made.keys() - shared
        found[name] = {each: made[each] for each in made if each in read and (each not in reached or end > reached[each])}
    return found


def _by_owner(views: Iterable[View]) -> dict[str, set[str]]:
    """Names of views; "" for the model's own, which there always are."""
    found: dict[str, set[str]] = {"": set()}
    for view in views:
        found.setdefault(view.set, set()).add(view.name)
    return found


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
    """Local files of the published `days`, named as `known_days` does, for what is asked from `start` on. Of the
    partitions before it nothing is fetched but the views' rows that may still stand.

    `others`: datasets that are no views. `only`: versions of the views; days that were computed by another are left out.
    """
    ends = {day: partition_of(day.rpartition(OF_SET)[2], result).end for day, result in days.items()}
    own = days_of(days)
    now = files_of(ledger, {day: each for day, each in own.items() if ends[day] > start}, folder, others)
    before: DailyFiles = {}
    for view in views:
        reached, place = reach(view, start), folder / view.set if view.set else folder
        theirs, of = days_of(days, view.set), f"{view.set}{OF_SET}" if view.set else ""
        held = {day: each for day, each in theirs.items() if ends[of + day] > reached and _is(each, view.name, only)}
        now |= files_of(ledger, {day: each for day, each in held.items() if ends[of + day] > start}, place, [view.name])
        before |= files_of(ledger, {day: each for day, each in held.items() if ends[of + day] <= start}, place, [view.name])
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
