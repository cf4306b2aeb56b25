"""The catalogue of features: what there is, whose it is, how fresh it is, who uses it, and what its values look like.

Read from the specs, the control store, the ledger and, for freshness, the online store; nothing is computed but the profile of
the newest published day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from include.core.digest import digest_json
from include.core.errors import PermanentError, SlipstreamError, TransientError, one_line
from include.core.partition import Partition
from include.core.scratch import scratch_folder
from include.core.spec import Feature, FeatureSet, PartitionOwner, View
from include.core.spec.dtypes import kind_of
from include.core.time import utc_now
from include.data.published import newest, published
from include.data.session import open_session
from include.data.sql import parquet
from include.features.online.freshness import freshness
from include.model_contract.view_version import DAY, queries, tokens, versions
from include.overview.installation import Installation
from include.overview.readers import LiveReader, Readers, find_readers

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
COMMONEST = 3  # values of a category that a profile shows


@dataclass(frozen=True)
class Entry:
    """One feature. Times are ISO 8601, UTC; what is not known is empty or null."""

    owner: str  # the feature set or model
    kind: str  # "feature_set" or "model"
    team: str
    view: str
    feature: str
    dtype: str
    description: str
    keys: tuple[str, ...]
    tags: tuple[str, ...]
    version: str  # of its view's definition, as the working tree has it
    sql: str  # digest of the view's SQL alone
    sources: tuple[str, ...]
    newest: str  # event time of the newest value online
    age: float | None  # seconds
    promise: float | None  # seconds that it may be old
    stale: bool
    day: str  # the newest published day
    models: tuple[str, ...]  # whose specs read it
    live: tuple[LiveReader, ...]  # routed versions that were trained on it
    profile: Mapping[str, Any] = field(default_factory=dict)  # of the newest published day

    def to_json(self) -> dict[str, Any]:
        lists = {name: list(getattr(self, name)) for name in ("keys", "tags", "sources", "models")}
        return {**asdict(self), **lists, "live": [each.to_json() for each in self.live], "profile": dict(self.profile)}


@dataclass(frozen=True)
class Catalogue:
    entries: tuple[Entry, ...]
    broken: Mapping[str, str]  # feature sets and models that cannot be loaded, with why; and what could not be asked

    def to_json(self) -> dict[str, Any]:
        return {"features": [each.to_json() for each in self.entries], "broken": dict(self.broken)}


def catalogue(
    services: Installation, only: str = "", *, profile: bool = True, wanted: Callable[[str], bool] = lambda _: True
) -> Catalogue:
    """Of all feature sets and models, or of one of them: its own views, by feature. `profile`: whether to read the newest day.
    `wanted`: whether an owner is looked at."""
    known = find_readers(services.model_names(), services.spec, services.control, services.ledger)
    broken: dict[str, str] = {}
    entries: list[Entry] = []
    for name in filter(wanted, [only] if only else [*services.feature_set_names(), *services.model_names()]):
        try:
            spec = services.owner(name)
            entries += _of_owner(services, spec, known, broken, profile=profile)
        except SlipstreamError as error:
            broken[name] = one_line(error)
    return Catalogue(tuple(entries), broken)


def _of_owner(
    services: Installation, spec: PartitionOwner, known: Readers, broken: dict[str, str], *, profile: bool
) -> Iterator[Entry]:
    own = spec.features.computed
    if not own.views:
        return
    present, asked = versions(own), queries(own, lambda cadence: [cadence.on(DAY)])
    day = newest(services.control, spec.name)
    profiles = _profiles(services, spec, day) if profile and day is not None else {}
    ages = _ages(services, spec, broken)
    for view in own.views:
        at, age, stale = ages.get(view.name, ("", None, False))
        for feature in view.features:
            yield Entry(
                owner=spec.name,
                kind="feature_set" if isinstance(spec, FeatureSet) else "model",
                team=spec.owner,
                view=view.name,
                feature=feature.name,
                dtype=feature.dtype,
                description=feature.description or view.description,
                keys=view.keys,
                tags=spec.tags if isinstance(spec, FeatureSet) else (),
                version=present[view.name],
                sql=digest_json(tokens(asked[view.name][0]))[:12],
                sources=spec.data.sources,
                newest=at,
                age=age,
                promise=view.freshness.total_seconds() if view.freshness else None,
                stale=stale,
                day=str(day or ""),
                models=tuple(known.models(spec.name, view.name)),
                live=tuple(known.live_of(spec.name, view.name)),
                profile=profiles.get((view.name, feature.name), {}),
            )


def _ages(services: Installation, spec: PartitionOwner, broken: dict[str, str]) -> dict[str, tuple[str, float | None, bool]]:
    """By view; none where the online store does not answer, which is said once."""
    try:
        found = freshness(services.online(), spec, utc_now(), spec.features.own)
    except (TransientError, OSError) as error:
        broken["online store"] = one_line(error) if isinstance(error, SlipstreamError) else str(error)
        return {}
    return {each.view: (_iso(each.newest), None if each.age is None else each.age.total_seconds(), each.stale) for each in found}


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


# -- what the values look like ------------------------------------------------------------------------------------------------


def _profiles(services: Installation, spec: PartitionOwner, day: Partition) -> dict[tuple[str, str], dict[str, Any]]:
    """By view and feature, of a published day; nothing of a view whose file is gone, or has other columns by now."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    ref = published(services.control, spec.name, day, day)[day]
    with scratch_folder(services.settings.scratch()) as folder, open_session() as connection:
        for view in spec.features.own:
            try:
                path = services.ledger.fetch(services.ledger.resolve(ref), f"{view.name}.parquet", folder)
                found |= {(view.name, name): each for name, each in _profile(connection, view, path).items()}
            except (PermanentError, FileNotFoundError, KeyError, duckdb.Error):
                continue
    return found


def _profile(connection: duckdb.DuckDBPyConnection, view: View, path: Path) -> dict[str, dict[str, Any]]:
    """Rows, share of missing values, and quantiles of numbers or the commonest of other values."""
    rows = parquet([path])
    there = connection.sql(f"SELECT * FROM {rows} LIMIT 0").columns
    wanted = [feature for feature in view.features if feature.name in there]
    columns = [sql for feature in wanted for sql in _asked(feature)]
    seen = connection.execute(f"SELECT count(*), {', '.join(columns)} FROM {rows}").fetchall()[0] if columns else (0,)
    total, values = int(seen[0]), seen[1:]
    return {feature.name: _said(feature, total, values[2 * n : 2 * n + 2]) for n, feature in enumerate(wanted)}


def _asked(feature: Feature) -> tuple[str, str]:
    """SQL of how many values are missing, and of what the others are like."""
    name, kind = f'"{feature.name}"', kind_of(feature.dtype)
    if kind in ("float", "int"):
        number = f"CASE WHEN isfinite({name}::DOUBLE) THEN {name}::DOUBLE END"
        return f"count(*) - count({number})", f"quantile_cont({number}, {list(QUANTILES)})"
    if kind == "vector":
        return f"count(*) - count({name})", "NULL"
    return f"count(*) - count({name})", f"approx_top_k({name}::VARCHAR, {COMMONEST})"


def _said(feature: Feature, rows: int, seen: Sequence[Any]) -> dict[str, Any]:
    missing, values = seen
    shown = "quantiles" if kind_of(feature.dtype) in ("float", "int") else "commonest"
    return {"rows": rows, "null_share": round(missing / rows, 6) if rows else None, shown: list(values or [])}
