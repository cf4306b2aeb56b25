"""The section `data`: where the raw partitions come from, and when a day is complete."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from include.core.spec.base import DailyCron, Frozen, Name
from include.core.spec.warehouse import Warehouse


class Data(Frozen):
    """Daily raw partitions `raw/{model}/{source}/date=YYYY-MM-DD/part.parquet` under the storage root."""

    sources: tuple[Name, ...] = ()
    """The names of the model's raw sources. A day is processed once every source has a partition for it. A model without sources
    is served, rolled out and watched only: its features come with each request, and it is trained elsewhere."""

    first: date = date(1970, 1, 1)
    """The first day that has raw partitions, in UTC. Earlier days are skipped. It is needed where there are sources."""

    last: date | None = None
    """The last day of a source that has ended. Runs for later days are skipped. By default there is no last day."""

    empty_days: bool = False
    """Whether a partition without rows is accepted as a day on which nothing happened. By default it is refused."""

    lookback_days: int = Field(0, ge=0, le=366)
    """How many earlier days' partitions the features of a day also read. By default a day's features read that day alone."""

    minimum_share: float = Field(0.5, ge=0, le=1)
    """The share of a published day's rows that a replacement of that day must have; below it is refused. 0 accepts any."""

    warehouse: tuple[Warehouse, ...] = ()
    """The sources that a warehouse of AWS makes: `Athena`, `Redshift` or `EmrServerless`, each of one source. A
    LandFromWarehouseOperator lands them. By default somebody else lands every source."""

    schedule: DailyCron = "0 0 * * *"
    """When the features DAG runs, as a cron expression in UTC that fires once a day. Each run processes the day that is over."""

    @model_validator(mode="after")
    def _begins(self) -> Self:
        if self.sources and "first" not in self.model_fields_set:
            raise ValueError("first is needed where there are sources: the first day that has raw partitions")
        return self

    @model_validator(mode="after")
    def _knows_what_is_landed(self) -> Self:
        landed = [each.source for each in self.warehouse]
        if unknown := sorted(set(landed) - set(self.sources)):
            raise ValueError(f"warehouse brings {unknown}, which are not among sources")
        if len(set(landed)) < len(landed):
            raise ValueError("warehouse brings a source twice; give each source one query or job")
        return self
