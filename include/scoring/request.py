"""What a nightly batch is asked with."""

from __future__ import annotations

from collections.abc import Mapping

from include.core.partition import Partition
from include.core.request import Json, Ref, Request
from include.core.spec import Binary, ModelSpec
from include.versions.record import VersionRecord


def score_request(spec: ModelSpec, day: Partition, version: VersionRecord, days: Mapping[str, Ref]) -> Request:
    """Of a day's entities, by that version. `days`: the published days that may matter (`known_days`), by their names.

    The version is part of the key: a rerun after a promotion makes a second result and leaves the first.
    """
    params: dict[str, Json] = {
        **day.fields(),
        "features": spec.features.model_dump(mode="json"),
        "version": version.version,
        **_problem(spec),
    }
    uses = tuple(filter(None, [getattr(spec.problem, "decision", "")]))  # the author's code, which the result depends on
    inputs = {"train": version.entry.lineage.train, **days}
    return Request.of("score", "include.scoring.score_step:run", spec.name, params=params, inputs=inputs, uses=uses)


def _problem(spec: ModelSpec) -> dict[str, Json]:
    """What scores depend on beside the model; nothing where it is a plain binary one, whose results keep their keys."""
    told = spec.problem.model_copy(update={"metrics": (), "weight": None})
    if isinstance(told, Binary) and told.plain:
        return {}
    return {"problem": told.model_dump(mode="json"), "threshold": spec.serving.threshold}
