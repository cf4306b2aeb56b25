"""Our online store in Feast's clothes: named in RepoConfig, so get_online_features reads what the gateway reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.online_stores.online_store import OnlineStore as FeastOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import FloatList, Value
from feast.repo_config import FeastConfigBaseModel
from feast.type_map import feast_value_type_to_python_type
from pydantic import Field

from include.backends.feast.repo import DTYPE, SET, VERSION
from include.core.errors import SpecError
from include.core.spec import Dtype, Feature, View
from include.core.spec.dtypes import length_of
from include.core.time import now, utc, zoned
from include.online_store.open import open_online
from include.online_store.row_codec import CREATED
from include.online_store.store import OnlineStore, Values

# Feast's scalar types: the store's dtype, and the field of Feast's Value.
TYPES: dict[str, tuple[Dtype, str]] = {
    "Float64": ("float", "double_val"), "Float32": ("float", "float_val"), "String": ("category", "string_val"),
    "Int64": ("int", "int64_val"), "Int32": ("int", "int32_val"), "Bool": ("int", "bool_val"),
}  # fmt: skip

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


class SlipstreamOnlineStoreConfig(FeastConfigBaseModel):
    type: str
    url: str = Field(repr=False)  # may hold a password


def open_store(config: RepoConfig) -> OnlineStore:
    return _opened(config.online_store.url)


@lru_cache(maxsize=8)
def _opened(url: str) -> OnlineStore:
    return open_online(url)


def online_view(table: FeatureView) -> View:
    """How one of Feast's views lies in the store. Raises SpecError for a type that has no place there."""
    fields = tuple((field.name, field.tags.get(DTYPE) or str(field.dtype)) for field in table.features)
    keys = tuple(key for key in table.join_keys if key != DUMMY_ENTITY_ID)
    return _view(table.name, keys, fields, table.ttl or None, table.tags.get(VERSION, ""), table.tags.get(SET, ""))


@lru_cache(maxsize=1000)  # the store knows a view again by its identity
def _view(
    name: str, keys: tuple[str, ...], fields: tuple[tuple[str, str], ...], ttl: timedelta | None, version: str, of_set: str
) -> View:
    unknown = {field: dtype for field, dtype in fields if dtype not in TYPES and not _own(dtype)}
    if unknown:
        raise SpecError(f"The online store has no place for these features of {name!r}.", seen=unknown, hint=f"use {[*TYPES]}.")
    dtypes = {field: dtype if _own(dtype) else TYPES[dtype][0] for field, dtype in fields if field not in keys}
    features = tuple(Feature.model_construct(name=field, dtype=dtype) for field, dtype in dtypes.items())
    return View.model_construct(name=name, keys=keys, features=features, ttl=ttl, version=version, set=of_set)


class SlipstreamOnlineStore(FeastOnlineStore):
    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        if data:
            view = online_view(table)
            open_store(config).write(config.project, view, _arrow(view, data), now())
        if progress:
            progress(len(data))

    def online_read(
        self, config: RepoConfig, table: FeatureView, entity_keys: list[EntityKey], requested_features: list[str] | None = None
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        view = online_view(table)
        keys = [_key(view, entity) for entity in entity_keys]
        wanted = [field for field in table.features if requested_features is None or field.name in requested_features]
        fields = {field.name: _value_field(field.tags.get(DTYPE) or str(field.dtype)) for field in wanted}
        return [
            (zoned(row.event_timestamp), _protos(fields, row.values)) if row else (None, None)
            for row in open_store(config).read_stamped(config.project, view, keys)
        ]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to prepare: rows carry their own names."""

    def teardown(self, *args: Any, **kwargs: Any) -> None:
        """Values stay: another registry may serve them."""


def _key(view: View, entity: EntityKey) -> tuple[Any, ...]:
    values = dict(zip(entity.join_keys, map(feast_value_type_to_python_type, entity.entity_values), strict=True))
    return tuple(values[key] for key in view.keys)


def _own(dtype: str) -> bool:
    """Whether it is one of ours that Feast's type does not tell (the tag of a field)."""
    return dtype in ("bool", "text") or dtype.startswith("vector[")


def _value_field(dtype: str) -> str:
    if dtype.startswith("vector["):
        return "float_list_val"
    return {"text": "string_val", "bool": "bool_val"}.get(dtype) or TYPES[dtype][1]


def _protos(fields: dict[str, str], row: Values) -> dict[str, Value]:
    return {name: _proto(field, row.get(name)) for name, field in fields.items()}


def _proto(field: str, value: Any) -> Value:
    if value is None:
        return Value()
    return Value(**{field: FloatList(val=value) if field == "float_list_val" else value})


def _arrow(view: View, rows: list[Row]) -> pa.Table:
    columns: dict[str, Any] = dict(zip(view.keys, zip(*(_key(view, row[0]) for row in rows), strict=True), strict=True))
    columns["event_timestamp"] = pa.array([_utc(row[2]) for row in rows], pa.timestamp("us"))
    columns[CREATED] = pa.array([_utc(row[3]) if row[3] else None for row in rows], pa.timestamp("us"))
    for feature in view.features:
        values = [feast_value_type_to_python_type(row[1].get(feature.name, Value())) for row in rows]
        columns[feature.name] = pa.array(values, pa.list_(pa.float32())) if length_of(feature.dtype) else values
    return pa.table(columns)


def _utc(moment: datetime) -> datetime:
    return utc(moment)
