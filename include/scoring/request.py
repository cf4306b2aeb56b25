"""What a nightly batch is asked with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from include.core.request import Json, Ref, Request
from include.core.spec import ModelSpec
from include.versions.record import VersionRecord


def score_request(spec: ModelSpec, day: date, version: VersionRecord, days: Mapping[str, Ref]) -> Request:
    """Of a day's entities, by that version. `days`: the published days that may matter (`known_days`), by ISO date.

    The version is part of the key: a rerun after a promotion makes a second result and leaves the first.
    """
    params: dict[str, Json] = {
        "day": day.isoformat(),
        "features": spec.features.model_dump(mode="json"),
        "version": version.version,
    }
    inputs = {"train": version.entry.lineage.train, **days}
    return Request.of("score", "include.scoring.score_step:run", spec.name, params=params, inputs=inputs)
