"""Materializing a day: our guarded writes and read-back, and Feast's registry told what interval is online.

Not through `feast materialize`, though that has the same engine (feast_engine): it moves the view's state without a
lock, so that two days at once collide.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

import pyarrow as pa
from feast import FeatureStore

from include.backends.feast.engine import record_interval
from include.backends.feast.repo import open_feast, registry_lock
from include.core import fault
from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.request import Result
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.core.spec import ModelSpec, View
from include.core.time import end_of_day, instant, start_of_day, zoned
from include.data.session import open_session
from include.features.offline.newest import newest_rows
from include.features.offline.pinned import pinned_rows
from include.features.online.catch_up import record
from include.features.online.materialize import materialize_view
from include.model_contract.definition import routed_pins, views_of
from include.online_store.open import open_online


def materialize(spec: ModelSpec, result: Result, ledger: Ledger, settings: Settings) -> dict[str, Any]:
    """The newest value of each key of a `features` result into the online store. Returns counts by view.

    Rows go under the version of the definition that computed them. Beside it, for as long as a routed model pins
    another one, the day's rows of that: so two versions of a view are served side by side.
    Safe to repeat, and for many days at once in any order: of two values the newer event stands, of two
    results for one event the one committed later. Raises DataError if the values do not read back.
    """
    store = open_online(settings.online_url)
    feast, day = open_feast(spec, settings), date.fromisoformat(result.value["day"])
    created, control = instant(result.committed_at), ControlStore(settings.control_url)
    control.create_tables()
    pins = routed_pins(control, ledger, spec.name)
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
    return {"day": day.isoformat(), "views": reports}


def _record_day(feast: FeatureStore, settings: Settings, day: date) -> None:
    """Tell the registry that the day is online: once for each view, whatever is repeated."""
    start, end = zoned(start_of_day(day)), zoned(end_of_day(day))
    with registry_lock(settings):
        for view in feast.registry.list_feature_views(feast.project, allow_cache=False):
            record_interval(feast.registry, feast.project, view, start, end)
