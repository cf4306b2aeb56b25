"""Feast's view of a model: entities, feature views and a feature service, made from the spec alone.

The registry is a SQLite file under the runtime home; the stores behind it are ours (feast_online, feast_offline).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
from feast.errors import FeatureServiceNotFoundException
from feast.types import Array, Bool, Float32, Float64, Int64, String

from include.core.digest import digest_json
from include.core.errors import StorageFullError
from include.core.scratch import BLOCK, is_full, storage_full
from include.core.settings import Settings
from include.core.spec import Dtype, Feature, ModelSpec, View
from include.core.spec.dtypes import Kind, kind_of
from include.model_contract.definition import present_views

TYPES: dict[Kind, Any] = {
    "float": Float64, "int": Int64, "bool": Bool, "category": String, "text": String, "vector": Array(Float32),
}  # fmt: skip
DTYPES: dict[str, Dtype] = {"Float64": "float", "Int64": "int", "Bool": "bool", "String": "category"}
DTYPE = "slipstream.dtype"  # tag of a field whose dtype its Feast type does not tell
SCHEME = "slipstream://"  # of a source that is the published partitions
# Tag of a feature view: which version of its definition is served (`model_contract/view_version.py`).
VERSION = "slipstream.version"
COLUMNS = "slipstream.columns"  # tag of a source: what a row pushed to it has
SERVICE = "inputs"  # the feature service with every view's features, in the model's order


def open_feast(spec: ModelSpec, settings: Settings) -> FeatureStore:
    """The model's Feast store, its definitions applied. The project is the model's name."""
    with registry_lock(settings):
        store = FeatureStore(config=_config(spec.name, settings))
        wanted = digest_json([[view.model_dump(mode="json") for view in present_views(spec.features)], list(spec.features.keys)])
        try:
            known = store.registry.get_feature_service(SERVICE, spec.name).tags.get("definition")
        except FeatureServiceNotFoundException:
            known = None
        if known != wanted:
            store.apply(definitions(spec, wanted))
            store.registry.refresh(spec.name)
    return store


def _config(model: str, settings: Settings) -> RepoConfig:
    return RepoConfig(
        project=model,
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{settings.home / 'feast.db'}", "cache_ttl_seconds": 60},
        online_store={"type": "include.backends.feast.online.SlipstreamOnlineStore", "url": settings.online_url},
        offline_store={
            "type": "include.backends.feast.offline.SlipstreamOfflineStore",
            "root": settings.root,
            "control_url": settings.control_url,
        },
        batch_engine={"type": "include.backends.feast.engine.SlipstreamEngine", "lock": str(settings.home / "feast.lock")},
        entity_key_serialization_version=3,
    )


def definitions(spec: ModelSpec, tag: str = "") -> list[Any]:
    """Everything the registry should hold for a model. Keys are text."""
    entities = {key: Entity(name=key, join_keys=[key], value_type=ValueType.STRING) for key in spec.features.keys}
    views: list[Any] = [_feature_view(view, [entities[key] for key in view.keys], spec) for view in present_views(spec.features)]
    return [*entities.values(), *views, FeatureService(name=SERVICE, features=views, tags={"definition": tag}, owner=spec.owner)]


def _feature_view(view: View, entities: list[Entity], spec: ModelSpec) -> FeatureView:
    keys = [Field(name=key, dtype=String) for key in view.keys]
    features = [_field(feature) for feature in view.features]
    source = FileSource(
        name=f"{spec.name}.{view.name}",
        path=f"{SCHEME}{spec.name}/{view.name}.parquet",
        timestamp_field="event_timestamp",
        created_timestamp_column=view.created or "",
        tags={COLUMNS: ",".join([*view.keys, "event_timestamp", *(feature.name for feature in view.features)])},
    )
    return FeatureView(
        name=view.name,
        entities=entities,
        schema=keys + features,
        ttl=view.ttl or timedelta(0),  # Feast's zero: for ever
        source=PushSource(name=f"{view.name}_push", batch_source=source) if view.pushed else source,
        tags={VERSION: view.version},
        owner=spec.owner,
        description=view.description,
    )


def _field(feature: Feature) -> Field:
    """The dtype is written beside where Feast's type does not tell it: a String is any text, an Array of any length."""
    tags = {DTYPE: feature.dtype} if kind_of(feature.dtype) in ("bool", "text", "vector") else {}
    return Field(name=feature.name, dtype=TYPES[kind_of(feature.dtype)], description=feature.description, tags=tags)


def view_of(table: FeatureView) -> View:
    """The spec's view behind one of Feast's."""
    keys = {column.name for column in table.entity_columns}
    features = tuple(
        Feature(name=field.name, dtype=field.tags.get(DTYPE) or DTYPES[str(field.dtype)])
        for field in table.features
        if field.name not in keys
    )
    return View(name=table.name, keys=tuple(table.join_keys), features=features, ttl=table.ttl or None)


@contextmanager
def registry_lock(settings: Settings) -> Iterator[None]:
    """One at a time: Feast's registry reads, changes and writes a definition without a transaction."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "feast.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        except Exception as error:
            if is_full(error) and not isinstance(error, StorageFullError):
                raise storage_full(settings.home / "feast.db", BLOCK, "at least ") from error
            raise
