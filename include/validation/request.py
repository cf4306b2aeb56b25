"""What the verdicts are asked with: a day's, and a training set's."""

from __future__ import annotations

from datetime import date

from include.core.partition import Partition
from include.core.request import Ref, Request
from include.core.spec import ModelSpec, PartitionOwner
from include.core.storage import Storage
from include.data.raw import RawPartitions
from include.problems.of import params_of

STEP, FUNCTION = "validate", "include.validation.validate_step:run"


def verdict_request(spec: PartitionOwner, day: Partition | date, storage: Storage, raw: RawPartitions | None = None) -> Request:
    """Of the day's raw partitions that are there now. Raises NotReadyError if one is not.

    `raw`: the partitions of the same storage, for who asks for many days.
    """
    raw, day = raw or RawPartitions.of(storage, spec), spec.data.cadence.of(day)
    params = {
        **day.fields(),
        "sources": {source: raw.digest(source, day) for source in spec.data.sources},
        "expectations": spec.expectations,
        **({"empty_days": True} if spec.data.empty_days else {}),
    }
    return Request.of(STEP, FUNCTION, spec.name, params=params, inputs={}, uses=(spec.expectations,))


def training_set_verdict_request(spec: ModelSpec, training_set: Ref) -> Request:
    """Of a training set, by the spec's expectations of it."""
    params = {
        "expectations": spec.expectations,
        "features": spec.features.model_dump(mode="json"),
        "label": spec.label,
        **params_of(spec),
    }
    return Request.of(
        "validate_training_set", "include.validation.validate_training_set_step:run", spec.name,
        params=params, inputs={"training_set": training_set}, uses=(spec.expectations,),
    )  # fmt: skip
