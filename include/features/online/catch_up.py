"""Which published days are not online as they stand: re-published since, lacking a version that a routed model pins, or lost.

Every materialization leaves a document in the control store: the day, the result, the versions it brought online, and the
store's epoch of each view. A day whose document is missing, or is of another epoch, is materialized again, which changes nothing
where everything is there. What a store has lost without losing its epoch is found by asking it for the rows (`lost_days`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from include.core import fault
from include.core.control import ControlStore
from include.core.digest import digest_json
from include.core.ledger import Ledger
from include.core.partition import BEGINNING, Partition
from include.core.request import Ref, Result
from include.core.spec import PartitionOwner, View
from include.core.time import instant, utc_now
from include.data.published import newest, published_within
from include.data.session import open_session
from include.features.offline.newest import newest_rows
from include.features.online.presence import MATERIALIZATIONS, Published, named, of_epochs
from include.model_contract.definition import Pins, views_of
from include.online_store.store import OnlineStore
from include.point_in_time.known import first_reach
from include.point_in_time.partition import partition_of


def record(control: ControlStore, model: str, result: Result, pins: Pins, store: OnlineStore, views: Sequence[View]) -> None:
    """Note that a `features` result is online with what is pinned, in these views; once, however often it is repeated."""
    record_all(control, model, [result], pins, store, views)


def record_all(
    control: ControlStore, model: str, results: Sequence[Result], pins: Pins, store: OnlineStore, views: Sequence[View]
) -> None:
    """The same of several results, in one transaction."""
    epochs = of_epochs(views, store.epochs(model, views))
    fault.point("documents.save")
    with control.transaction() as connection:
        for result in results:
            day = result.value["day"]
            detail: dict[str, Any] = {"day": day, "pinned": _pinned(pins), "result": _named(result), "epochs": epochs}
            key = f"{_key(model, day, result.key, result.generation, pins)}/{digest_json(epochs)[:12]}"
            MATERIALIZATIONS.save_in(connection, key, model, detail)
    fault.point("documents.saved")


def pending(
    control: ControlStore,
    spec: PartitionOwner,
    days: Iterable[Partition],
    results: Mapping[str, Result],
    pins: Pins,
    store: OnlineStore,
) -> list[Partition]:
    """The days whose published result is not online, or not with all that is pinned, or is of an epoch that the store has
    lost; oldest first."""
    records = MATERIALIZATIONS.about(control, spec.name)
    views = {named(view): view for view in _read_by_somebody(spec, results.values(), pins)}
    present = of_epochs(views.values(), store.epochs(spec.name, list(views.values())))
    brought: dict[str, set[str]] = {}
    for record in records:
        stands = {name for name, epoch in record.body.get("epochs", {}).items() if present.get(name) == epoch}
        brought.setdefault(record.body.get("result", ""), set()).update(stands)
    recorded = {record.key for record in records}  # those from before epochs were kept name what they brought by their key alone
    made = {day: results[day.name] for day in sorted(map(spec.data.cadence.of, days))}
    return [
        day
        for day, result in made.items()
        if not (
            _wanted(spec, result, pins) <= brought.get(_named(result), set())
            or _key(spec.name, day.name, result.key, result.generation, pins) in recorded
        )
    ]


def _wanted(spec: PartitionOwner, result: Result, pins: Pins) -> set[str]:
    """The versions of views that are to be online of a day."""
    own = views_of(result, spec.features)
    unpinned = {f"{view.name}@" for view in own} if pins.unpinned else set()
    return {named(view) for view in own} | {named(each.view) for each in pins.definitions} | unpinned


def _named(result: Result) -> str:
    return f"{result.key}/g{result.generation}"


def _read_by_somebody(spec: PartitionOwner, results: Iterable[Result], pins: Pins) -> Iterator[View]:
    for result in results:
        yield from views_of(result, spec.features)
    yield from (each.view for each in pins.definitions)
    yield from (view.model_copy(update={"version": ""}) for view in spec.features.own)


def lost_days(
    ledger: Ledger,
    spec: PartitionOwner,
    results: Mapping[str, Result],
    store: OnlineStore,
    known: Published,
    folder: Path,
) -> dict[Partition, int]:
    """How many rows of each day are not online, neither themselves nor newer ones: the store is asked for all of them.

    What has outlived its ttl since it was brought online is lost to nobody.
    """
    now, found = utc_now(), dict[Partition, int]()
    with open_session() as connection:
        for text, result in sorted(results.items()):
            day, created, lost = partition_of(text, result), instant(result.committed_at), 0
            for view in views_of(result, spec.features):
                if known.lives(day, view, now):
                    rows = newest_rows(connection, view, ledger.fetch(result, f"{view.name}.parquet", folder))
                    lost += store.lost(spec.name, view, rows, created)
            if lost:
                found[day] = lost
    return found


def recent(control: ControlStore, spec: PartitionOwner, *, everything: bool = False) -> dict[Partition, Ref]:
    """The published days whose values may still be served: within the longest time to live of the newest, all where a view
    has none; or all of them anyhow."""
    last = newest(control, spec.name)
    if last is None:
        return {}
    first = BEGINNING if everything else first_reach(spec.features.own, last.start)
    return published_within(control, spec.name, first, last.end)


def _key(model: str, day: str, result: str, generation: int, pins: Pins) -> str:
    return f"online/{model}/{day}/{digest_json([result, generation, _pinned(pins)])[:32]}"


def _pinned(pins: Pins) -> list[str]:
    names = [f"{each.view.name}@{each.view.version}" for each in pins.definitions]
    return sorted([*names, *(["@"] if pins.unpinned else [])])
