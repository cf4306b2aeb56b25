"""The results that a registration stands on, found in the ledger or computed in this process: the same as a task's."""

from __future__ import annotations

from datetime import datetime

import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.compute import find_or_compute
from include.core.request import Ref, Request
from include.core.scratch import scratch_folder
from include.core.spec import ModelSpec
from include.core.time import utc
from include.data.published import newest
from include.evaluation.request import evaluate_request, measured_again
from include.features.request import training_set_request
from include.governance.imported import Holdout
from include.services.services import Services


def computed(services: Services, request: Request) -> Ref:
    """The request's result: the one that is there and whole, else made now."""
    return services.ledger.ref(find_or_compute(request, services.ledger, services.for_request(request)).result)


def training_set(services: Services, spec: ModelSpec, as_of: datetime | None) -> Ref | None:
    """The training set as of a moment, by default the end of the newest published day: as the training DAG builds it.

    None where the spec manages no features, or no day is published. Raises DataError where nothing can be evaluated on it.
    """
    if not spec.features.views and not spec.data.sources:
        return None
    last = newest(services.control, spec.name)
    if as_of is None and last is None:
        return None
    moment = as_of if last is None or as_of is not None else last.end
    assert moment is not None
    listed = computed(services, _withdrawn(services, spec, moment)) if spec.training.without_withdrawn else None
    told = computed(services, _told(services, spec, moment)) if "training" in spec.serving.feedback else None
    return computed(services, training_set_request(spec, moment, services.control, withdrawn=listed, feedback=told))


def _withdrawn(services: Services, spec: ModelSpec, moment: datetime) -> Request:
    from include.features.withdrawn_step import snapshot
    from include.rollout.history import withdrawn

    return snapshot(services.prediction_log, spec, moment.isoformat(), withdrawn(services.control, spec.name))


def _told(services: Services, spec: ModelSpec, moment: datetime) -> Request:
    from include.monitoring.feedback_step import told_snapshot

    return told_snapshot(services.prediction_log, spec, moment, spec.training.window_days)


def evaluation(services: Services, spec: ModelSpec, train: Ref, rows: Ref, *, compare: bool) -> Ref:
    """The model on the training set's holdout; beside the champion, if `compare`. Where the latency alone closed the gate it is
    measured again: it depends on more than the model."""
    record = services.champion(spec.name) if compare else None
    request = evaluate_request(spec, rows, train, record.entry.lineage.train if record is not None else None)
    return computed(services, measured_again(request, services.ledger))


def holdout(services: Services, rows: Ref) -> Holdout:
    """When the first of the rows was asked that are held out."""
    with scratch_folder() as folder:
        path = services.ledger.fetch(services.ledger.resolve(rows), "holdout.parquet", folder)
        first = pc.min(pq.read_table(path, columns=["event_timestamp"])["event_timestamp"]).as_py()
    return Holdout(rows, utc(first))
