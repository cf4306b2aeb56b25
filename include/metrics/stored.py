"""Numbers and differences as evaluations keep them: None for what is missing, or is none."""

from __future__ import annotations

import math
from collections.abc import Mapping

from include.metrics.paired import Difference


def stored_number(values: object, name: str) -> float | None:
    """A finite number by its name."""
    value = values.get(name) if isinstance(values, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def stored_difference(body: object) -> Difference | None:
    """What `Difference.to_json` wrote."""
    try:
        return Difference.from_json(body)
    except (KeyError, TypeError, ValueError):
        return None
