"""The point-in-time join: for each entity row, each view's newest row that was known by its event time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from include.core.spec import Feature, View
from include.features.dataset import SQL_TYPES, quoted


def point_in_time(
    views: Iterable[View], files: Mapping[str, Sequence[str]], entities: str, before: Sequence[str], after: Sequence[str] = ()
) -> str:
    """SQL: columns `before`, every view's features, columns `after`; one row for each row of `entities`.

    `files`: view name to Parquet paths. `entities`: SQL with event_timestamp (UTC) and the views' keys; the
    columns kept are expressions over it under the name `entity`. A value older than the view's ttl counts as
    missing; what is missing becomes the feature's default, else NaN (float) or NULL (int, category).
    """
    views = tuple(views)
    features = [value(f'"{view.name}"."{f.name}"', f, _fresh(view)) for view in views for f in view.features]
    joins = "\n".join(_join(view, files[view.name]) for view in views)
    return f"SELECT {', '.join((*before, *features, *after))}\nFROM {entities} AS entity{joins}"


def value(column: str, feature: Feature, known: str = "true") -> str:
    """SQL of one feature under its name: the column where it is known, else what stands for a missing value."""
    missing = f"coalesce(CASE WHEN {known} THEN {column} END, {_default(feature)})"
    return f'{missing}::{SQL_TYPES[feature.dtype]} AS "{feature.name}"'


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


def _default(feature: Feature) -> str:
    if feature.default is None:
        return "'nan'::DOUBLE" if feature.dtype == "float" else "NULL"
    if feature.dtype == "category":
        return "'" + str(feature.default).replace("'", "''") + "'"
    return str(float(feature.default))
