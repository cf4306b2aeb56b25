"""flight_delay's features of an hour: the daily model's SQL, of one hour's rows."""

from __future__ import annotations

from include.core.partition import Partition
from include.models.flight_delay.features import views_of


def views(hour: Partition) -> dict[str, str]:
    """What is known at the hour's beginning, and the weather observed in it."""
    begins, ends = f"TIMESTAMP '{hour.start}'", f"TIMESTAMP '{hour.end}'"
    return views_of(f"(SELECT {begins} AS h)", begins, lambda time: f"{time} >= {begins} AND {time} < {ends}")
