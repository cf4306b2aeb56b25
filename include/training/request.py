"""What tuning and training are asked with."""

from __future__ import annotations

from collections.abc import Mapping

from include.core.request import Json, Ref, Request
from include.core.spec import ModelSpec, Training
from include.problems.of import params_of, uses_of

# Of the spec's training section: what the training set is asked with, or the machine, and no part of the fit.
NOT_OF_A_FIT = {
    "schedule", "window_days", "holdout_days", "minimum_rows", "without_withdrawn", "resources", "time_limit", "pool", "queue",
}  # fmt: skip
# What came later: with its default it says nothing new, and the key is what it was without it.
CAME_LATER = ("inputs", "precision", "strategy", "offload", "warm_start", "memory_rows", "privacy")


def tune_request(spec: ModelSpec, training_set: Ref) -> Request:
    """The search of the spec's grid, over that training set. Its fits all begin cold."""
    training = _fit(spec, {})
    training.pop("warm_start", None)
    return _request("tune", "include.training.tune_step:run", spec, training_set, training)


def train_request(
    spec: ModelSpec, training_set: Ref, chosen: Mapping[str, Json] | None = None, champion: Ref | None = None
) -> Request:
    """A fit of that training set. `chosen`: parameters that replace the spec's, such as tuning's (`value["params"]`).

    `champion`: the trained result whose weights it begins from (include/training/warm_start.py says whether it may).
    """
    training = _fit(spec, chosen or {})
    del training["search"]
    more = {} if champion is None else {"champion": champion}
    return _request("train", "include.training.train_step:run", spec, training_set, training, more)


def _fit(spec: ModelSpec, chosen: Mapping[str, Json]) -> dict[str, Json]:
    training: dict[str, Json] = spec.training.model_dump(mode="json", exclude=NOT_OF_A_FIT)
    for name in CAME_LATER:
        if training.get(name) == Training.model_fields[name].default:
            del training[name]
    return {**training, "params": {**spec.training.model_dump(mode="json")["params"], **chosen}}


def _request(
    step: str, function: str, spec: ModelSpec, training_set: Ref, training: dict[str, Json], more: Mapping[str, Ref] = {}
) -> Request:
    params: dict[str, Json] = {
        "features": spec.features.model_dump(mode="json"), "training": training, "label": spec.label,
        **params_of(spec),
    }  # fmt: skip
    inputs = {"training_set": training_set, **more}
    return Request.of(step, function, spec.name, params=params, inputs=inputs, uses=(spec.training.fit, *uses_of(spec)))
