"""The port of the drift report: two tables drawn side by side, as one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from include.core.adapters import adapter
from include.core.spec import Feature


def drift_report(current: pa.Table, reference: pa.Table, features: Sequence[Feature], head: str) -> str:
    """One HTML page that opens offline: `head` (HTML), then the columns that both tables hold. Equal rows, equal bytes."""
    draw: Callable[[pa.Table, pa.Table, Sequence[Feature], str], str] = adapter("drift_report")
    return draw(current, reference, features, head)
