"""The results that a registration stands on, found in the ledger or computed in this process: the same as a task's."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.request import Ref, Request
from include.core.scratch import scratch_folder
from include.core.spec import Evaluation, ModelSpec
from include.core.task import perform
from include.core.time import end_of_day, utc
from include.data.published import newest
from include.evaluation.gate import closed_by_latency_alone
from include.governance.imported import Holdout
from include.point_in_time.known import known_days
from include.services.services import Services

EVALUATE, MEASURE_AGAIN = "include.evaluation.evaluate_step:run", "include.evaluation.measure_again_step:run"


def computed(services: Services, request: Request) -> Ref:
    """The request's result: the one that is there and whole, else made now."""
    ledger = services.ledger
    ledger.record(request)
    generation = ledger.generation(request.key)
    known = ledger.result(request.key, generation)
    if known is not None and (broken := ledger.verify(known)):
        generation = ledger.open_generation(request.key, f"repair:g{generation}", f"damaged: {', '.join(broken)}")
        known = ledger.result(request.key, generation)
    if known is None:
        known = perform(request, ledger.open_attempt(request.key, generation), ledger, services.settings)
    return ledger.ref(known)


def training_set(services: Services, spec: ModelSpec, as_of: datetime | None) -> Ref | None:
    """The training set as of a moment, by default the end of the newest published day: as the training DAG builds it.

    None where the spec manages no features, or no day is published. Raises DataError where nothing can be evaluated on it.
    """
    if not spec.features.views and not spec.data.sources:
        return None
    last = newest(services.control, spec.name)
    if as_of is None and last is None:
        return None
    moment = as_of if as_of is not None else utc(end_of_day(last)) if last is not None else None
    assert moment is not None
    return computed(services, _training_set_request(services, spec, moment))


def _training_set_request(services: Services, spec: ModelSpec, moment: datetime) -> Request:
    training, start = spec.training, moment - timedelta(days=spec.training.window_days)
    params = {
        "as_of": moment.isoformat(),
        "window_days": training.window_days,
        "holdout_days": training.holdout_days,
        "minimum_rows": training.minimum_rows,
        "features": spec.features.model_dump(mode="json"),
        "label": spec.label,
    }
    inputs = known_days(services.control, spec.name, spec.features.views, start, moment.date() - timedelta(days=1))
    if training.without_withdrawn:
        inputs["withdrawn"] = computed(services, _withdrawn(services, spec, moment))
    return Request.of("training_set", "include.features.training_set_step:run", spec.name, params=params, inputs=inputs)


def _withdrawn(services: Services, spec: ModelSpec, moment: datetime) -> Request:
    from include.features.withdrawn_step import snapshot
    from include.rollout.history import withdrawn

    return snapshot(services.settings, spec, moment.isoformat(), withdrawn(services.control, spec.name))


def evaluation(services: Services, spec: ModelSpec, train: Ref, rows: Ref, *, compare: bool) -> Ref:
    """The model on the training set's holdout; beside the champion, if `compare`. Where the latency alone closed the gate it is
    measured again: it depends on more than the model."""
    params = {
        "features": spec.features.model_dump(mode="json"),
        "evaluation": spec.evaluation.model_dump(mode="json"),
        "label": spec.label,
        "threshold": spec.serving.threshold,
    }
    inputs = {"training_set": rows, "train": train}
    champion = services.champion(spec.name) if compare else None
    if champion is not None and champion.entry.lineage.train.digest != train.digest:
        inputs["champion"] = champion.entry.lineage.train
    return computed(
        services, _measured_again(services, Request.of("evaluate", EVALUATE, spec.name, params=params, inputs=inputs))
    )


def _measured_again(services: Services, request: Request) -> Request:
    spec, latest, number = Evaluation(**request.params["evaluation"]), request, 0
    while (known := services.ledger.result(latest.key)) and closed_by_latency_alone(known.value, spec):
        number += 1
        inputs = {name: request.inputs[name] for name in ("training_set", "train")}
        inputs["evaluation"] = services.ledger.ref(known)
        params = {**request.params, "measurement": number}
        latest = Request.of("evaluate", MEASURE_AGAIN, request.model, params=params, inputs=inputs)
    return latest


def holdout(services: Services, rows: Ref) -> Holdout:
    """When the first of the rows was asked that are held out."""
    with scratch_folder() as folder:
        path = services.ledger.fetch(services.ledger.resolve(rows), "holdout.parquet", folder)
        first = pc.min(pq.read_table(path, columns=["event_timestamp"])["event_timestamp"]).as_py()
    return Holdout(rows, utc(first))
