"""Our online store in Feast's clothes: named in RepoConfig, so get_online_features reads what the gateway reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore as FeastOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel
from feast.type_map import feast_value_type_to_python_type

from include.backends.feast_repo import view_of
from include.backends.online import open_online
from include.core.spec import View
from include.features.online import OnlineStore
from include.features.packed import CREATED, Values

FIELDS = {"float": "double_val", "int": "int64_val", "category": "string_val"}

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


class SlipstreamOnlineStoreConfig(FeastConfigBaseModel):
    type: str
    url: str


@lru_cache(maxsize=8)
def _store(url: str) -> OnlineStore:
    return open_online(url)


class SlipstreamOnlineStore(FeastOnlineStore):
    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        if data:
            view = view_of(table)
            _store(config.online_store.url).write(config.project, view, _arrow(view, data), datetime.now(UTC))
        if progress:
            progress(len(data))

    def online_read(
        self, config: RepoConfig, table: FeatureView, entity_keys: list[EntityKey], requested_features: list[str] | None = None
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        view, store = view_of(table), _store(config.online_store.url)
        keys = [_key(view, entity) for entity in entity_keys]
        return [
            (row.event_timestamp.replace(tzinfo=UTC), _protos(view, row.values, requested_features)) if row else (None, None)
            for row in store.read_stamped(config.project, view, keys)
        ]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to prepare: rows carry their own names."""

    def teardown(self, *args: Any, **kwargs: Any) -> None:
        """Values stay: another registry may serve them."""


def _key(view: View, entity: EntityKey) -> tuple[Any, ...]:
    values = dict(zip(entity.join_keys, map(feast_value_type_to_python_type, entity.entity_values), strict=True))
    return tuple(values[key] for key in view.keys)


def _protos(view: View, row: Values, wanted: Sequence[str] | None) -> dict[str, Value]:
    fields = {feature.name: FIELDS[feature.dtype] for feature in view.features}
    names = [name for name in fields if wanted is None or name in wanted]
    return {name: Value() if row.get(name) is None else Value(**{fields[name]: row[name]}) for name in names}


def _arrow(view: View, rows: list[Row]) -> pa.Table:
    columns: dict[str, Any] = dict(zip(view.keys, zip(*(_key(view, row[0]) for row in rows), strict=True), strict=True))
    columns["event_timestamp"] = pa.array([_utc(row[2]) for row in rows], pa.timestamp("us"))
    columns[CREATED] = pa.array([_utc(row[3]) if row[3] else None for row in rows], pa.timestamp("us"))
    for feature in view.features:
        columns[feature.name] = [feast_value_type_to_python_type(row[1].get(feature.name, Value())) for row in rows]
    return pa.table(columns)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
