"""The section `data`: where the raw partitions come from, and when a day is complete."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from include.core.spec.base import DailyCron, Frozen, Name


class Data(Frozen):
    """Daily raw partitions `raw/{model}/{source}/date=YYYY-MM-DD/part.parquet` under the storage root."""

    sources: tuple[Name, ...]
    """The names of the model's raw sources. A day is processed once every source has a partition for it."""

    first: date
    """The first day that has raw partitions, in UTC. Earlier days are skipped."""

    last: date | None = None
    """The last day of a source that has ended. Runs for later days are skipped. By default there is no last day."""

    empty_days: bool = False
    """Whether a partition without rows is accepted as a day on which nothing happened. By default it is refused."""

    lookback_days: int = Field(0, ge=0, le=366)
    """How many earlier days' partitions the features of a day also read. By default a day's features read that day alone."""

    minimum_share: float = Field(0.5, ge=0, le=1)
    """The share of a published day's rows that a replacement of that day must have; below it is refused. 0 accepts any."""

    schedule: DailyCron = "0 0 * * *"
    """When the features DAG runs, as a cron expression in UTC that fires once a day. Each run processes the day that is over."""
