"""The point-in-time join: for each entity row, each view's newest row that was known by its event time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from include.core.spec import Feature, Features, View
from include.features.dataset import SQL_TYPES, quoted


def point_in_time(features: Features, files: Mapping[str, Sequence[str]], label: str, entities: str = "labelled") -> str:
    """SQL: request_id, event_timestamp, keys, features, label, held_out; one row for each row of `entities`.

    `files`: view name to Parquet paths. A value older than the view's ttl counts as missing; what is missing
    becomes the feature's default, else NaN (float) or NULL (int, category).
    """
    columns = [_value(f'"{view.name}"."{f.name}"', f, _fresh(view)) for view in features.views for f in view.features]
    columns += [_value(f'entity."{f.name}"', f, "true") for f in features.request]
    keys = ", ".join(f'entity."{key}"' for key in features.keys)
    joins = "\n".join(_join(view, files[view.name]) for view in features.views)
    return f"""
        SELECT entity.request_id, entity.event_timestamp, {keys}, {", ".join(columns)}, entity."{label}", entity.held_out
        FROM {entities} AS entity
        {joins}
    """


def _join(view: View, paths: Sequence[str]) -> str:
    columns = quoted(*view.keys, "event_timestamp", *(feature.name for feature in view.features))
    equal = " AND ".join(f'entity."{key}" = "{view.name}"."{key}"' for key in view.keys)
    return f"""
        ASOF LEFT JOIN (SELECT {columns} FROM read_parquet({list(paths)}, hive_partitioning = false)) AS "{view.name}"
        ON {equal} AND entity.event_timestamp >= "{view.name}".event_timestamp"""


def _fresh(view: View) -> str:
    if view.ttl is None:
        return "true"
    seconds = int(view.ttl.total_seconds())
    return f'entity.event_timestamp - "{view.name}".event_timestamp <= INTERVAL {seconds} SECOND'


def _value(column: str, feature: Feature, fresh: str) -> str:
    return f'coalesce(CASE WHEN {fresh} THEN {column} END, {_default(feature)})::{SQL_TYPES[feature.dtype]} AS "{feature.name}"'


def _default(feature: Feature) -> str:
    if feature.default is None:
        return "'nan'::DOUBLE" if feature.dtype == "float" else "NULL"
    if feature.dtype == "category":
        return "'" + str(feature.default).replace("'", "''") + "'"
    return str(float(feature.default))
