"""Feast's view of a model: entities, feature views and a feature service, made from the spec alone.

Where the registry is: registry.py. The stores behind it are ours (online.py, offline.py).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
from feast.errors import FeatureServiceNotFoundException
from feast.types import Array, Bool, Float32, Float64, Int64, String

from include.backends.feast.registry import (
    file_config,
    file_of,
    is_shared,
    lock_of,
    record_intervals,
    registry_config,
    registry_lock,
)
from include.core.digest import digest_json
from include.core.settings import Settings
from include.core.spec import Dtype, Feature, PartitionOwner, View
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
SET = "slipstream.set"  # tag of a feature view: the feature set whose rows it reads, online and offline
COLUMNS = "slipstream.columns"  # tag of a source: what a row pushed to it has
SERVICE = "inputs"  # the feature service with every view's features, in the model's order


def open_feast(spec: PartitionOwner, settings: Settings) -> FeatureStore:
    """The model's Feast store, its definitions applied. The project is the model's name."""
    with registry_lock(settings):
        store = FeatureStore(config=_config(spec.name, settings, registry_config(settings)))
        wanted = digest_json([[view.model_dump(mode="json") for view in present_views(spec.features)], list(spec.features.keys)])
        try:
            known = store.registry.get_feature_service(SERVICE, spec.name).tags.get("definition")
        except FeatureServiceNotFoundException:
            known = None
        if known != wanted:
            store.apply(definitions(spec, wanted))
            store.registry.refresh(spec.name)
        if known is None and is_shared(settings) and file_of(settings).exists():
            _carry_over(spec, settings, store)
    return store


def _carry_over(spec: PartitionOwner, settings: Settings, store: FeatureStore) -> None:
    """Of a release whose registry was each machine's own: the intervals that this one knew to be online."""
    before = FeatureStore(config=_config(spec.name, settings, file_config(settings))).registry
    here = {view.name for view in store.registry.list_feature_views(spec.name)}
    for view in before.list_feature_views(spec.name):
        if view.name in here:
            record_intervals(store.registry, spec.name, view, view.materialization_intervals)


def _config(model: str, settings: Settings, registry: dict[str, Any]) -> RepoConfig:
    return RepoConfig(
        project=model,
        provider="local",
        registry=registry,
        online_store={"type": "include.backends.feast.online.SlipstreamOnlineStore", "url": settings.online_url},
        offline_store={
            "type": "include.backends.feast.offline.SlipstreamOfflineStore",
            "root": settings.root,
            "control_url": settings.control_url,
        },
        batch_engine={"type": "include.backends.feast.engine.SlipstreamEngine", "lock": lock_of(settings)},
        entity_key_serialization_version=3,
    )


def definitions(spec: PartitionOwner, tag: str = "") -> list[Any]:
    """Everything the registry should hold for a model. Keys are text."""
    entities = {key: Entity(name=key, join_keys=[key], value_type=ValueType.STRING) for key in spec.features.keys}
    views: list[Any] = [_feature_view(view, [entities[key] for key in view.keys], spec) for view in present_views(spec.features)]
    return [*entities.values(), *views, FeatureService(name=SERVICE, features=views, tags={"definition": tag}, owner=spec.owner)]


def _feature_view(view: View, entities: list[Entity], spec: PartitionOwner) -> FeatureView:
    keys = [Field(name=key, dtype=String) for key in view.keys]
    features = [_field(feature) for feature in view.features]
    owner = view.owner(spec.name)
    source = FileSource(
        name=f"{owner}.{view.name}",
        path=f"{SCHEME}{owner}/{view.name}.parquet",
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
        tags={VERSION: view.version, **({SET: view.set} if view.set else {})},
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
    of_set = table.tags.get(SET, "")
    return View(name=table.name, keys=tuple(table.join_keys), features=features, ttl=table.ttl or None, set=of_set)
