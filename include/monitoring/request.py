"""What the steps of monitoring are asked with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from include.core.control import ControlStore
from include.core.request import Json, Ref, Request
from include.core.spec import ModelSpec
from include.core.time import MICROSECOND
from include.data.published import published_within
from include.monitoring.collect_step import snapshot
from include.prediction_log.shared import SharedLog
from include.problems.of import params_of
from include.versions.record import VersionRecord


def collect_request(
    spec: ModelSpec,
    as_of: datetime,
    control: ControlStore,
    log: SharedLog,
    withdrawn: Sequence[int],
    feedback: Ref | None = None,
) -> Request:
    """Of the window that ends at `as_of` (UTC, without zone), as the log and the published days stand now.

    `withdrawn`: the versions that were rolled back. `feedback`: labels that callers have sent: of a model that publishes
    none all there are, of another those of requests whose label has not landed.
    """
    labels = published_within(control, spec.name, as_of - timedelta(days=spec.monitoring.window_days), as_of)
    if feedback is not None and not spec.managed:  # under the last day of the window
        labels |= {spec.data.cadence.at(as_of - MICROSECOND): feedback}
        feedback = None
    return snapshot(log, spec, as_of, labels, withdrawn=withdrawn, feedback=feedback)


def reference_request(spec: ModelSpec, training_set: Ref, train: Ref) -> Request:
    """Of a version's past: its training set, and the trained result."""
    params: dict[str, Json] = {
        "features": spec.features.model_dump(mode="json"),
        "label": spec.label,
        "slices": list(spec.evaluation.slices),
        "monitoring": spec.monitoring.model_dump(mode="json"),
        "metric": spec.evaluation.metric,
        "threshold": spec.serving.threshold,
        **params_of(spec),
    }
    inputs = {"training_set": training_set, "train": train}
    return Request.of("reference", "include.monitoring.reference_step:run", spec.name, params=params, inputs=inputs)


def monitor_request(
    spec: ModelSpec,
    collect: Ref,
    champion: VersionRecord,
    history: Sequence[Mapping[str, Json]],
    reference: Ref | None = None,
    rows: Ref | None = None,
    fairness_before: Sequence[Sequence[str]] = (),
) -> Request:
    """Of a collected window, against the version's own past. `history`: what was estimated for it before labels, and came true.

    `rows`: that past; by default its training set. `reference`: the same, profiled; without it, the rows are profiled anew.
    `fairness_before`: the limits that its earlier windows have shown to be missed, of a model with protected attributes.
    """
    params: dict[str, Json] = {
        "monitoring": spec.monitoring.model_dump(mode="json"),
        "features": spec.features.model_dump(mode="json"),
        "label": spec.label,
        "metric": spec.evaluation.metric,
        "threshold": spec.serving.threshold,
        "slices": list(spec.evaluation.slices),
        "champion": champion.version,
        "holdout_metrics": dict(champion.entry.metrics),
        "holdout_threshold": champion.entry.threshold,
        "history": [dict(each) for each in history],
        **params_of(spec),
    }
    if spec.fairness.attributes:
        params["fairness"] = spec.fairness.model_dump(mode="json")
        needed = spec.retraining.consecutive - 1
        params["fairness_before"] = [list(each) for each in fairness_before[-needed:]] if needed else []
        params["consecutive"] = spec.retraining.consecutive
    inputs = {"collect": collect, "training_set": rows or champion.entry.lineage.training_set}
    if reference is not None:
        inputs["reference"] = reference
    return Request.of("monitor", "include.monitoring.monitor_step:run", spec.name, params=params, inputs=inputs)


def shadows_request(spec: ModelSpec, history: Ref, as_of: str, data_until: str) -> Request:
    """Of a training set over the whole past. UTC, ISO: `as_of` is its moment, `data_until` the champion's."""
    params: dict[str, Json] = {
        "as_of": as_of,
        "data_until": data_until,
        "window_days": spec.monitoring.window_days,
        "minimum_rows": spec.monitoring.minimum_rows,
        "training": {"window_days": spec.training.window_days, "holdout_days": spec.training.holdout_days},
        "features": spec.features.model_dump(mode="json"),
        "label": spec.label,
        "threshold": spec.serving.threshold,
        **params_of(spec),
    }
    return Request.of("shadows", "include.monitoring.shadows_step:run", spec.name, params=params, inputs={"history": history})
