"""What the steps of features are asked with: by a DAG's task, by a notebook, and by who computes published days again."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Json, Ref, Request
from include.core.spec import ModelSpec, PartitionOwner
from include.core.storage import Storage
from include.core.time import MICROSECOND
from include.data.raw import RawPartitions
from include.features import skew_step
from include.features.offline.late import lacked
from include.features.online.pushed import pushed
from include.model_contract.definition import computing_otherwise, of_other_versions
from include.point_in_time.known import known_days, newest_versions
from include.point_in_time.partition import results
from include.prediction_log.shared import SharedLog
from include.problems.of import beside_of, params_of, rows_of

STEP, FUNCTION = "features", "include.features.features_step:run"
TRAINING_SET, TRAINING_SET_FUNCTION = "training_set", "include.features.training_set_step:run"


def features_request(
    spec: PartitionOwner, day: Partition | date, storage: Storage, verdict: Ref, raw: RawPartitions | None = None
) -> Request:
    """Of the raw partitions and pushed rows that are there now, by the present definitions and code.

    `raw`: the partitions of the same storage, for who asks for many days.
    """
    raw, partition = raw or RawPartitions.of(storage, spec), spec.data.cadence.of(day)
    first = spec.data.lookback(partition)[0]
    partitions = {source: raw.digests(source, first, partition) for source in spec.data.sources}
    missing = lacked(spec.data, partition, partitions)
    params = {
        **partition.fields(),
        **spec.data.cadence.fields(),
        "partitions": partitions,
        **({"lacked": missing} if missing else {}),
        **({"empty_days": True} if spec.data.empty_days else {}),
        "features": spec.features.computed.stored.model_dump(mode="json"),
        "expectations": spec.expectations,
        **(rows_of(spec) if isinstance(spec, ModelSpec) else {}),
        # The entity rows have the keys of feature sets' views as well; of these views themselves the day's rows are not made.
        **({"keys": list(spec.features.keys)} if spec.features.shared else {}),
        **_pushed(spec, partition, storage),
    }
    return Request.of(STEP, FUNCTION, spec.name, params=params, inputs={"verdict": verdict}, uses=uses(spec))


def uses(spec: PartitionOwner) -> tuple[str, ...]:
    """The owner's own code that the result depends on."""
    features = spec.features
    return tuple(filter(None, (features.build, features.entities, features.labels, spec.expectations)))


def training_set_request(
    spec: ModelSpec,
    as_of: datetime,
    control: ControlStore,
    *,
    withdrawn: Ref | None = None,
    feedback: Ref | None = None,
    window_days: int | None = None,
    attributes: bool = True,
) -> Request:
    """Of the days that are published now, as they could have been known at `as_of` (UTC, without zone).

    `withdrawn`: the result of that step, whose requests are left out. `feedback`: that of the step `labels`, for requests of
    which no label has landed. `window_days`: the spec's, unless given. `attributes`: whether the holdout is to have protected
    attributes that are no inputs; who measures no fairness has no need of them.
    """
    days = spec.training.window_days if window_days is None else window_days
    params: dict[str, Json] = {
        "as_of": as_of.isoformat(),
        "window_days": days,
        "holdout_days": spec.training.holdout_days,
        "minimum_rows": spec.training.minimum_rows,
        "features": spec.features.model_dump(mode="json"),
        "label": spec.label,
        **(beside_of(spec) if attributes else {}),
        **params_of(spec),
    }
    inputs = known_days(control, spec.name, spec.features.views, as_of - timedelta(days=days), as_of)
    if withdrawn is not None:
        inputs["withdrawn"] = withdrawn
    if feedback is not None:
        inputs["feedback"] = feedback
    return Request.of(TRAINING_SET, TRAINING_SET_FUNCTION, spec.name, params=params, inputs=inputs)


def skew_request(spec: ModelSpec, as_of: datetime, control: ControlStore, ledger: Ledger, log: SharedLog) -> Request:
    """Of the monitoring window that ends at `as_of` (UTC, without zone), as the log and the published days stand now."""
    start = as_of - timedelta(days=spec.monitoring.window_days)
    # And the partition that holds the moment.
    days = known_days(control, spec.name, spec.features.views, start, as_of + MICROSECOND, whole=False)
    present = newest_versions(spec.features.views, results(ledger, days))
    others = of_other_versions(control, ledger, spec.name, present)
    computes = any(feature.expression for feature in spec.features.request)
    redefined = computing_otherwise(control, ledger, spec.name, spec.features) if computes else ()
    return skew_step.snapshot(log, spec, as_of, days, others, redefined)


def _pushed(spec: PartitionOwner, day: Partition, storage: Storage) -> dict[str, Json]:
    """The day's pushed rows; nothing for a model that keeps none, whose requests stay as they were."""
    found = {view.name: pushed(storage, spec.name, view, day) for view in spec.features.own if view.pushed}
    return {"pushed": found} if any(found.values()) else {}
