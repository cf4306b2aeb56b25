"""Which names an author may not give: those of the columns, datasets and schemas that stand beside the author's own.

DuckDB takes names without regard to case and calls a second `score` of one table `score_1`, so a clash would be read as the
wrong column without a word. What the project adds for itself alone starts with an underscore, which no name of a spec does;
the names below stand in files and frames that other code and people read. A test holds them against the real schemas.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.core.spec import FeatureSet, ModelSpec, PartitionOwner, View

# Column -> where it stands beside the model's keys, features or label.
COLUMNS = {
    "request_id": "entities, labels, the training set, predictions and scores",
    "event_timestamp": "views, entities and the training set",
    "created_timestamp": "views' arrival times, in the online store and Feast",
    "known_timestamp": "views, in the point-in-time join",
    "label_timestamp": "labels and predictions",
    "held_out": "the training set, while it is cut",
    "event_time": "the prediction log and predictions.parquet",
    "version": "the prediction log, predictions.parquet and scores.parquet",
    "arm": "the prediction log and predictions.parquet",
    "score": "the prediction log, predictions.parquet, scores.parquet and the model's output",
    "degraded": "the prediction log and predictions.parquet",
    "explored": "the prediction log and predictions.parquet",
    "withdrawn": "predictions.parquet",
    "turn": "the prediction log, while it is read",
    "label": "predictions.parquet and the reference",
    "contradicting": "labels, while they are collected",
    "corrected": "labels, while they are collected",
    "came": "labels, while they are collected",
    "features": "the model's tensor of encoded inputs",
    "slipstream_row": "entity rows, in Feast",
}

PRECOMPUTED = ("slipstream_precomputed", "precomputed_outputs", "precomputed_version", "precomputed_at")
"""Names of the view of precomputed scores and its values (include/online_store/precomputed.py), where a model has them."""

DATASETS = {
    "entities": "the entity rows' file",
    "labels": "the labels' file",
    "withdrawn": "the requests that a training set leaves out",
    "entity": "the entity rows, in the point-in-time join",
}

SCHEMAS = {
    "main": "DuckDB's schema of a day's sources with their look-back",
    "today": "the schema of the day's own rows",
    "temp": "DuckDB's schema of temporary tables",
    "memory": "DuckDB's name of the database",
    "system": "a database of DuckDB's own",
    "information_schema": "a schema of DuckDB's own",
    "training_set": "the expectations about the training set",
}
_CATALOGUES = ("duckdb_", "pg_", "sqlite_", "pragma_")  # DuckDB's own tables


def clashes(spec: ModelSpec) -> Iterator[str]:
    """What is wrong with the spec's names, a phrase each: reserved, or used twice for different things."""
    features, keys = spec.features, spec.features.keys
    inputs = tuple(feature.name for feature in (*features.inputs, *features.request_fields))
    yield from _of_sets(spec)
    yield from _of_owner(spec)
    yield from _reserved("label", (spec.label,), {name: where for name, where in COLUMNS.items() if name != "label"})
    beside = [name for name in spec.fairness.columns if name not in inputs and name not in keys]
    yield from _reserved("fairness.attributes", tuple(beside), COLUMNS)
    for what, names in (("a feature", inputs), ("a key", keys)):
        if spec.label in names:
            yield f"label: {spec.label!r} is {what} too; what is to be predicted cannot be known beforehand"
    if spec.scoring.defaults:
        own = dict.fromkeys(PRECOMPUTED, "precomputed scores, in the online store")
        yield from _reserved("features", (*inputs, *(view.name for view in spec.features.views)), own)
    for view in spec.features.views:
        yield from _of_view(view, spec.label)


def clashes_of_set(spec: FeatureSet) -> Iterator[str]:
    """The same of a feature set."""
    yield from _of_owner(spec)
    for view in spec.features.views:
        yield from _of_view(view)


def _of_owner(spec: PartitionOwner) -> Iterator[str]:
    features, keys, views = spec.features, spec.features.keys, spec.features.views
    inputs = tuple(feature.name for feature in (*features.inputs, *features.request_fields))
    if not features.shared:  # else it was said whose they are
        yield from _repeated("features", inputs)
        yield from _repeated("features.views", tuple(view.name for view in views))
    yield from _repeated("data.sources", spec.data.sources)
    yield from _reserved("features", inputs, COLUMNS)
    yield from _reserved("features.views.keys", keys, COLUMNS)
    yield from _reserved("features.views", tuple(view.name for view in views), DATASETS)
    yield from _reserved("data.sources", spec.data.sources, SCHEMAS)
    for name in (name for name in spec.data.sources if name.startswith(_CATALOGUES)):
        yield f"data.sources: {name!r} is reserved, as DuckDB's own tables begin with {name.partition('_')[0]}_"
    both = [name for name in keys if name in inputs]
    if both:
        yield f"features: {both} are a key and a feature; give the feature a name of its own, and select it twice in the SQL"


def _of_sets(spec: ModelSpec) -> Iterator[str]:
    """Names that a feature set shares with another one, or with the model itself: whose is meant could not be told."""
    features = spec.features
    if not features.shared:
        return
    views, named = dict[str, list[str]](), dict[str, list[str]]()
    for view in features.views:
        views.setdefault(view.name, []).append(_whose(view))
        for feature in view.features:
            named.setdefault(feature.name, []).append(f"{_whose(view)} (view {view.name})")
    for feature in (*features.request, *features.request_fields):
        named.setdefault(feature.name, []).append("the request")
    hint = "read single views of a set (features.sets=('set.view',)), or give one of them another name"
    for what, found in (("the view", views), ("the feature", named)):
        for name, places in found.items():
            if len(places) > 1:
                yield f"features.sets: {what} {name!r} is in {' and in '.join(places)}; {hint}"


def _whose(view: View) -> str:
    return f"feature set {view.set}" if view.set else "the model's own views"


def _of_view(view: View, label: str = "") -> Iterator[str]:
    field = f"features.views.{view.name}"
    yield from _repeated(f"{field}.keys", view.keys)
    if view.created is None:
        return
    yield from _reserved(f"{field}.created", (view.created,), {n: w for n, w in COLUMNS.items() if n != "created_timestamp"})
    for what, names in (("a key", view.keys), ("a feature", [f.name for f in view.features]), ("the label", [label])):
        if view.created in names:
            yield f"{field}.created: {view.created!r} is {what} too; the arrival time is a column of its own"


def _repeated(field: str, names: tuple[str, ...]) -> Iterator[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        yield f"{field}: names must be unique, seen more than once: {twice}"


def _reserved(field: str, names: tuple[str, ...], reserved: dict[str, str]) -> Iterator[str]:
    for name in dict.fromkeys(names):
        if name in reserved:
            yield f"{field}: {name!r} is reserved ({reserved[name]}); another name, such as {name + '_value'!r}, is free"
