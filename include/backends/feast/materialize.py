"""Materializing days: our guarded writes and read-back, and Feast's registry told what interval is online.

Not through `feast materialize`, though that has the same engine (feast_engine): it moves the view's state without a
lock, so that two days at once collide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from feast import FeatureStore

from include.backends.feast.registry import record_intervals, registry_lock
from include.backends.feast.repo import SET, open_feast
from include.core import fault
from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.ports import open_aws
from include.core.request import Result
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.core.spec import PartitionOwner, View
from include.core.time import instant, microseconds, zoned
from include.data.session import open_session
from include.features.offline.newest import newest_rows
from include.features.offline.pinned import pinned_rows
from include.features.online.catch_up import record, record_all
from include.features.online.materialize import materialize_view
from include.model_contract.definition import pins_of, views_of
from include.online_store.open import open_online
from include.online_store.row_codec import CREATED
from include.online_store.store import OnlineStore


def materialize(
    spec: PartitionOwner, result: Result, ledger: Ledger, settings: Settings, store: OnlineStore | None = None
) -> dict[str, Any]:
    """The newest value of each key of a `features` result into the online store. Returns counts by view.

    Rows go under the version of the definition that computed them. Beside it, for as long as a routed model pins
    another one, the day's rows of that: so two versions of a view are served side by side.
    Safe to repeat, and for many days at once in any order: of two values the newer event stands, of two
    results for one event the one committed later. Raises DataError if the values do not read back.
    """
    store = store or _opened(settings)
    feast, day = open_feast(spec, settings), Partition.read(result.value)
    created, control = instant(result.committed_at), ControlStore(settings.control_url)
    control.create_tables()
    pins = pins_of(control, ledger, spec)
    reports: dict[str, Any] = {}
    brought: list[View] = []
    views = views_of(result, spec.features)
    computed = {(view.name, view.version) for view in views}
    with scratch_folder(settings.scratch()) as scratch, open_session() as connection:

        def bring(name: str, view: View, rows: pa.Table) -> None:
            fault.point("materialize.write")
            brought.append(view)
            reports[name] = asdict(materialize_view(store, spec.name, view, rows, created))

        for view in views:
            rows = newest_rows(connection, view, ledger.fetch(result, f"{view.name}.parquet", scratch))
            bring(view.name, view, rows)
            if pins.unpinned and view.version:  # a model from before versions were pinned
                bring(f"{view.name}@", view.model_copy(update={"version": ""}), rows)
        earlier = [each for each in pins.definitions if (each.view.name, each.view.version) not in computed]
        for each, rows in pinned_rows(ledger, result, earlier, scratch):
            bring(f"{each.view.name}@{each.view.version}", each.view, rows)
    fault.point("materialize.interval")
    _record_day(feast, settings, day)
    record(control, spec.name, result, pins, store, brought)
    fault.point("materialize.recorded")
    return {"day": day.name, "views": reports}


def materialize_days(
    spec: PartitionOwner, results: Sequence[Result], ledger: Ledger, settings: Settings, store: OnlineStore | None = None
) -> dict[str, dict[str, Any]]:
    """As `materialize` for each of the results, and with the same rows online in the end; counts by view for all together.

    Of a key that comes on several days only the newest row is written: the others would be replaced at once. Days whose rows
    cannot be told apart so (of several definitions, or of an earlier one that is computed anew) are brought one by one.
    """
    control = ControlStore(settings.control_url)
    control.create_tables()
    pins, views = pins_of(control, ledger, spec), views_of(results[0], spec.features)
    computed = {(view.name, view.version) for view in views}
    others = any((each.view.name, each.view.version) not in computed for each in pins.definitions)
    if len(results) == 1 or others or any(views_of(result, spec.features) != views for result in results):
        days = [materialize(spec, result, ledger, settings, store)["views"] for result in results]
        return {name: _sum([day[name] for day in days if name in day]) for name in dict.fromkeys(chain(*days))}
    store, feast = store or _opened(settings), open_feast(spec, settings)
    reports: dict[str, dict[str, Any]] = {}
    brought: list[View] = []
    created = instant(max(result.committed_at for result in results))
    with scratch_folder(settings.scratch()) as scratch, open_session() as connection:
        for view in views:
            rows = _newest_of(connection, view, results, ledger, scratch)
            unpinned = [view.model_copy(update={"version": ""})] if pins.unpinned and view.version else []
            for name, each in ((view.name, view), *((f"{view.name}@", other) for other in unpinned)):
                fault.point("materialize.write")
                brought.append(each)
                reports[name] = asdict(materialize_view(store, spec.name, each, rows, created))
    fault.point("materialize.interval")
    _record_days(feast, settings, [Partition.read(result.value) for result in results])
    record_all(control, spec.name, results, pins, store, brought)
    fault.point("materialize.recorded")
    return reports


def _opened(settings: Settings) -> OnlineStore:
    return open_online(settings.online_url, lambda: open_aws(settings))


def _newest_of(
    connection: duckdb.DuckDBPyConnection, view: View, results: Sequence[Result], ledger: Ledger, scratch: Path
) -> pa.Table:
    """The newest row of each key over the results, each row with the moment at which its result was committed."""
    committed = [microseconds(instant(result.committed_at)) for result in results]
    paths = [ledger.fetch(result, f"{view.name}.parquet", _folder(scratch, result)) for result in results]
    if view.created:  # a late row lies in the partition of another day than its event's: the store chooses
        tables = [newest_rows(connection, view, path) for path in paths]
        stamps = [pa.array([moment] * rows.num_rows) for rows, moment in zip(tables, committed, strict=True)]
        rows, made = pa.concat_tables(tables, promote_options="permissive"), pa.chunked_array(stamps)
    else:
        rows = newest_rows(connection, view, paths)
        made = _of_partitions(rows["event_timestamp"], results, committed)
    return rows.append_column(CREATED, made.cast(pa.int64()).cast(pa.timestamp("us")))


def _of_partitions(times: pa.ChunkedArray, results: Sequence[Result], committed: Sequence[int]) -> pa.Array:
    """For each time the moment of the result in whose partition it lies."""
    starts = np.array([Partition.read(result.value).start for result in results], "datetime64[us]")
    order = np.argsort(starts)
    places = np.searchsorted(starts[order], times.cast(pa.timestamp("us")).to_numpy(), "right") - 1
    return pa.array(np.array(committed)[order][places])


def _folder(scratch: Path, result: Result) -> Path:
    """A folder of its own: the files of all results have the same names."""
    folder = scratch / str(result.value["day"])
    folder.mkdir(exist_ok=True)
    return folder


def _sum(reports: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(report[name] for report in reports) for name in reports[0]}


def _record_day(feast: FeatureStore, settings: Settings, day: Partition) -> None:
    """Tell the registry that the day is online: once for each view, whatever is repeated."""
    _record_days(feast, settings, [day])


def _record_days(feast: FeatureStore, settings: Settings, days: Sequence[Partition]) -> None:
    intervals = [(zoned(day.start), zoned(day.end)) for day in days]
    with registry_lock(settings):
        for view in feast.registry.list_feature_views(feast.project, allow_cache=False):
            if SET in view.tags:  # its rows are brought online by its feature set, whose project says since when
                continue
            record_intervals(feast.registry, feast.project, view, intervals)
