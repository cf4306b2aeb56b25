"""Versions of view definitions: which SQL and schema a value was computed by, and which a model was trained on.

A version is the digest of a view's SQL, keys, feature names and dtypes, time to live and created column. Layout,
comments, descriptions and the defaults of serving are no part of it: they change no stored value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import duckdb

from include.core.digest import digest_json
from include.core.errors import DataError
from include.core.partition import Cadence, Partition
from include.core.reference import load
from include.core.spec import Features, View

LENGTH = 12  # hex digits: 48 bits, of a handful of versions
DAY = date(2001, 2, 3)  # the SQL differs from partition to partition only by its times: every version is that of this one

Versions = Mapping[str, str]  # view name to version


def versions(features: Features) -> dict[str, str]:
    """The present version of each view. Raises DataError if `features.build`, or a feature set's, gives no SQL for one."""
    asked = queries(features, lambda cadence: [cadence.on(DAY)])
    return {view.name: version(view, asked[view.name][0]) for view in features.views}


def queries(features: Features, samples: Callable[[Cadence], Sequence[Partition]]) -> dict[str, list[str]]:
    """The SQL of each view for some partitions of its cadence: of the model's own, and of the feature sets' that it reads.
    Raises DataError if there is none for one."""
    given: dict[tuple[str, Cadence], list[Mapping[str, str]]] = {}
    for view in features.views:
        asked = view.build if view.set else features.build, view.cadence
        if asked in given:
            continue
        if view.set:
            given[asked] = [load(view.build)(partition.given) for partition in samples(view.cadence)]
        else:
            given[asked] = [load(features.build)(partition.given) for partition in samples(view.cadence)]
    found: dict[str, list[str]] = {}
    for (build, cadence), theirs in given.items():
        names = [v.name for v in features.views if (v.build if v.set else features.build, v.cadence) == (build, cadence)]
        if missing := [name for name in names if any(name not in each for each in theirs)]:
            what = f"{build} gives no SQL for view {missing}."
            raise DataError(what, seen=sorted(theirs[0]), hint="add it, or drop the view.")
        found |= {name: [each[name] for each in theirs] for name in names}
    return found


def version(view: View, sql: str) -> str:
    """Digest of one definition, `LENGTH` hex digits."""
    schema = [[feature.name, feature.dtype] for feature in view.features]
    ttl = view.ttl.total_seconds() if view.ttl else None
    return digest_json([view.name, list(view.keys), schema, ttl, view.created, tokens(sql)])[:LENGTH]


def tokens(sql: str) -> list[str]:
    """The SQL without its layout and comments; text in quotes stays as it is."""
    found = duckdb.tokenize(sql)
    ends = [start for start, _ in found[1:]] + [len(sql.encode())]
    raw = sql.encode()  # the offsets count bytes
    return [
        raw[start:end].decode().strip()
        for (start, kind), end in zip(found, ends, strict=True)
        if kind != duckdb.token_type.comment
    ]


def pinned(signature: Mapping[str, Any]) -> dict[str, str]:
    """The view versions a model was trained on; empty for a signature from before versions were recorded."""
    return dict(signature.get("views") or {})


def one_version(days: Mapping[str, Versions]) -> dict[str, str]:
    """The version of each view that all days share; days that recorded none are taken as they are.

    Raises DataError naming the days of each version: a model trained on two definitions learns from neither.
    """
    by_view: dict[str, dict[str, list[str]]] = {}
    for day, views in sorted(days.items()):
        for name, digest in views.items():
            by_view.setdefault(name, {}).setdefault(digest, []).append(day)
    mixed = {name: {digest: _range(seen) for digest, seen in found.items()} for name, found in by_view.items() if len(found) > 1}
    if mixed:
        raise DataError(
            f"The published days hold more than one version of {sorted(mixed)}: their definition has changed.",
            seen=mixed,
            safe="no snapshot was made; the champion and its version of the views stay.",
            hint="backfill the features DAG over the days of the older version, then clear the task.",
        )
    return {name: next(iter(found)) for name, found in by_view.items()}


def _range(days: Iterable[str]) -> str:
    found = sorted(days)
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]} ({len(found)} days)"
