"""Row: Feast's own materialization into its own SQLite online store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.chaos.protocol import Absent, Backfill, Call, Cell, Clear, Kill, Overlap, Pause, State, Variant
from tests.chaos.stock.step import StockStep, passing
from tests.chaos.world import World

DAYS = [datetime.fromisoformat(f"2013-01-0{day}T00:00") for day in (1, 2, 3)]
KEYS = 20


class FeastOnline(StockStep):
    name = "feast_online"
    title = "materialize: Feast, SQLite"
    promise = "online holds the value of the newest event"
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(("stock.before",))),),
        "F2": (Variant(Kill(("stock.written",))),),
        "F3": Absent("a write is one transaction"),
        "F4": (Variant(Kill(("stock.done",))),),
        "F5": Absent("the store is a file"),
        "F6": Absent("its errors name no path and no bytes: nothing to compare"),
        "F7": (Variant(Pause(("stock.before",))),),
        "F8": (Variant(Overlap(("stock.before",))),),
        "F9": (Variant(Clear()), Variant(Backfill())),
        "F10": Absent("nothing else is asked"),
    }

    def prepare(self, world: World) -> dict[str, Any]:
        import pandas as pd

        rows = [
            {"key": key, "value": float(at), "event_timestamp": day.replace(hour=12), "created": day.replace(hour=13)}
            for at, day in enumerate(DAYS)
            for key in range(KEYS)
        ]
        pd.DataFrame(rows).to_parquet(world.home / "source.parquet")
        (world.home / "feature_store.yaml").write_text(
            f"project: stock\nprovider: local\nregistry: {world.home}/registry.db\n"
            f"online_store: {{type: sqlite, path: {world.home}/stock-online.db}}\nentity_key_serialization_version: 3\n"
        )
        store, view = open_store(world)
        store.apply([*view])
        return {"xcom": {}, "variables": {"day": DAYS[-1].isoformat()}}

    def backfill(self, world: World, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return [{**run, "variables": {"day": day.isoformat()}} for day in DAYS[:-1]]

    def work(self, world: World, call: Call) -> Any:
        from feast.infra.online_stores.sqlite import SqliteOnlineStore

        day = datetime.fromisoformat(call.run["variables"]["day"])
        store, _ = open_store(world)
        with passing(SqliteOnlineStore, "online_write_batch", "stock.before", "stock.written"):
            store.materialize(day, day + timedelta(days=1), feature_views=["values"])
        return "materialized"

    def left(self, world: World) -> State:
        store, _ = open_store(world)
        keys = [{"key": key} for key in range(KEYS)]
        found = store.get_online_features(features=["values:value"], entity_rows=keys).to_dict()
        return {"online": dict(zip(map(str, found["key"]), found["value"], strict=True))}


def open_store(world: World) -> tuple[Any, list[Any]]:
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource
    from feast.types import Float64
    from feast.value_type import ValueType

    source = FileSource(
        path=str(world.home / "source.parquet"), timestamp_field="event_timestamp", created_timestamp_column="created"
    )
    entity = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    view = FeatureView(
        name="values", entities=[entity], ttl=timedelta(0), schema=[Field(name="value", dtype=Float64)], source=source
    )
    return FeatureStore(repo_path=str(world.home)), [entity, view]


STEP = FeastOnline()
