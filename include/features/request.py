"""What a day's features are asked with: by the DAG's task, and by who computes published days again."""

from __future__ import annotations

from datetime import date

from include.core.request import Json, Ref, Request
from include.core.spec import ModelSpec
from include.core.storage import Storage
from include.data.raw import RawPartitions
from include.features.offline.late import lacked, lookback
from include.features.online.pushed import pushed

STEP, FUNCTION = "features", "include.features.features_step:run"


def features_request(spec: ModelSpec, day: date, storage: Storage, verdict: Ref, raw: RawPartitions | None = None) -> Request:
    """Of the raw partitions and pushed rows that are there now, by the present definitions and code.

    `raw`: the partitions of the same storage, for who asks for many days.
    """
    raw, first = raw or RawPartitions(storage, spec.name), lookback(spec.data, day)[0]
    partitions = {source: raw.digests(source, first, day) for source in spec.data.sources}
    missing = lacked(spec.data, day, partitions)
    params = {
        "day": day.isoformat(),
        "partitions": partitions,
        **({"lacked": missing} if missing else {}),
        **({"empty_days": True} if spec.data.empty_days else {}),
        "features": spec.features.model_dump(mode="json"),
        "expectations": spec.expectations,
        **_pushed(spec, day, storage),
    }
    return Request.of(STEP, FUNCTION, spec.name, params=params, inputs={"verdict": verdict}, uses=uses(spec))


def uses(spec: ModelSpec) -> tuple[str, ...]:
    """The model's own code that the result depends on."""
    return spec.features.build, spec.features.entities, spec.features.labels, spec.expectations


def _pushed(spec: ModelSpec, day: date, storage: Storage) -> dict[str, Json]:
    """The day's pushed rows; nothing for a model that keeps none, whose requests stay as they were."""
    found = {view.name: pushed(storage, spec.name, view, day) for view in spec.features.views if view.pushed}
    return {"pushed": found} if any(found.values()) else {}
