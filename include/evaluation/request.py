"""What an evaluation is asked with, and a new measurement of its latency."""

from __future__ import annotations

from include.core.ledger import Ledger
from include.core.request import Json, Ref, Request
from include.core.spec import Evaluation, ModelSpec
from include.evaluation.gate import closed_by_latency_alone
from include.problems.of import params_of, uses_of

STEP = "evaluate"
# Fields that came later: with its default one says nothing new, and the key is what it was.
CAME_LATER = ("explanations", "privacy")


def section_of(spec: ModelSpec) -> dict[str, Json]:
    """The spec's section `evaluation`, as requests say it."""
    section: dict[str, Json] = spec.evaluation.model_dump(mode="json")
    for name in CAME_LATER:
        if section.get(name) == Evaluation.model_fields[name].default:
            section.pop(name, None)
    return section


def evaluate_request(
    spec: ModelSpec, training_set: Ref, train: Ref, champion: Ref | None = None, cold: Ref | None = None
) -> Request:
    """Of the trained result `train` on the training set's holdout. `champion`: the trained result to compare it with, which is
    left out where it is the same one. `cold`: of a fit that began from another's weights its cold twin, likewise."""
    params: dict[str, Json] = {
        "features": spec.features.model_dump(mode="json"),
        "evaluation": section_of(spec),
        "label": spec.label,
        "threshold": spec.serving.threshold,
        **params_of(spec),
    }
    if spec.fairness.attributes:
        params["fairness"] = spec.fairness.model_dump(mode="json")
    inputs = {"training_set": training_set, "train": train}
    if champion is not None and champion.digest != train.digest:
        inputs["champion"] = champion
    if cold is not None and cold.digest != train.digest:
        inputs["cold"] = cold
    function = "include.evaluation.evaluate_step:run"
    return Request.of(STEP, function, spec.name, params=params, inputs=inputs, uses=uses_of(spec))


def measured_again(request: Request, ledger: Ledger) -> Request:
    """The request itself; where the latency alone closed its gate, one that measures it again, and nothing else.

    Each call after another closed measurement gives the next, until the gate opens: that one stands. How often it was measured
    again is the request's parameter `measurement`.
    """
    spec, latest, number = Evaluation(**request.params["evaluation"]), request, 0
    while (known := ledger.result(latest.key)) and closed_by_latency_alone(known.value, spec):
        number += 1
        inputs = {name: request.inputs[name] for name in ("training_set", "train")}
        inputs["evaluation"] = ledger.ref(known)
        params = {**request.params, "measurement": number}
        latest = Request.of(STEP, "include.evaluation.measure_again_step:run", request.model, params=params, inputs=inputs)
    return latest
