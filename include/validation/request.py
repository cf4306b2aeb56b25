"""What a day's verdict is asked with."""

from __future__ import annotations

from datetime import date

from include.core.request import Request
from include.core.spec import ModelSpec
from include.core.storage import Storage
from include.data.raw import RawPartitions

STEP, FUNCTION = "validate", "include.validation.validate_step:run"


def verdict_request(spec: ModelSpec, day: date, storage: Storage, raw: RawPartitions | None = None) -> Request:
    """Of the day's raw partitions that are there now. Raises NotReadyError if one is not.

    `raw`: the partitions of the same storage, for who asks for many days.
    """
    raw = raw or RawPartitions(storage, spec.name)
    params = {
        "day": day.isoformat(),
        "sources": {source: raw.digest(source, day) for source in spec.data.sources},
        "expectations": spec.expectations,
        **({"empty_days": True} if spec.data.empty_days else {}),
    }
    return Request.of(STEP, FUNCTION, spec.name, params=params, inputs={}, uses=(spec.expectations,))
