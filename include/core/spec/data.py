"""The section `data`: where the raw partitions come from, how long each is, and when one is complete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator, model_validator

from include.core.cron import cron_of, daily, once_in_each
from include.core.partition import ONE_MINUTE, Cadence, Partition, wrong_length, wrong_zone
from include.core.spec.base import Cron, Frozen, Name
from include.core.spec.warehouse import Warehouse
from include.core.time import MICROSECOND, ONE_DAY

_LENGTH = TypeAdapter(timedelta)


class VersionsKept(Frozen):
    """Which versions of a model are kept. `slipstream gc` gives up the others, unless somebody may still need them: the record of
    such a version stays, with its numbers; its files go, and it can never be served again (docs/retention.md)."""

    days: int = Field(ge=1, le=36_500)
    """For how many days a version is kept after it was last of use: registered, in production, in a rollout or an experiment, or
    offered by a person. At least as many as monitoring reads back; 183 with `profile="regulated"`."""

    keep: int = Field(10, ge=1, le=100_000)
    """The newest so many are kept, however old they are."""


class Retention(Frozen):
    """How long what is this owner's is kept: `slipstream gc` removes what is older. By default all of it is kept."""

    raw_days: int | None = Field(None, ge=1, le=36_500)
    """Raw partitions that ended so many days ago are removed. What was made of them stays; it cannot be made again."""

    scores_days: int | None = Field(None, ge=1, le=36_500)
    """Partitions of the table of batch scores that ended so many days ago are removed, with the batches that they are of."""

    predictions_days: int | None = Field(None, ge=1, le=36_500)
    """The prediction log of the days before the last so many is removed, whatever `SLIPSTREAM_KEEP_PREDICTIONS` says. It must be
    as many as the model's steps read."""

    versions: VersionsKept | None = None
    """Which versions are kept, of a model. By default all are, with whatever they were made from."""


class Data(Frozen):
    """Raw partitions under the storage root, one `part.parquet` for each source and stretch of `every`.

    They lie at `raw/{model}/{source}/date=YYYY-MM-DD/part.parquet`; those of another length than a day at
    `date=YYYY-MM-DD/time=HHMM/part.parquet` or `week=YYYY-Www/part.parquet`. What is said of days here holds for them alike.
    """

    every: timedelta = ONE_DAY
    """How long a partition is: 15, 20 or 30 minutes, 1, 2, 3, 4, 6, 8 or 12 hours, a day, or a week from Monday.
    A model whose partitions are published keeps its cadence: another one needs another model."""

    zone: str = "UTC"
    """The time zone whose days and weeks the partitions are, such as `Europe/Berlin`: twice a year a day has 23 or 25 hours.
    What is finer than a day is cut in UTC. Times in the rows are UTC all the same."""

    sources: tuple[Name, ...] = ()
    """The names of the model's raw sources. A day is processed once every source has a partition for it. A model without sources
    is served, rolled out and watched only: its features come with each request, and it is trained elsewhere."""

    first: date = date(1970, 1, 1)
    """The first day that has raw partitions, in `zone`. Earlier days are skipped. It is needed where there are sources."""

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

    subject_columns: Mapping[str, Name] = {}
    """Where the raw sources hold a key of the features, or `request_id`, under another name: by key, the column. A subject that
    is to be forgotten is looked for there. By default a column has the key's own name."""

    impersonal_sources: tuple[Name, ...] = ()
    """The sources whose rows are about nobody, such as the weather: they are passed over when a subject is forgotten. Of any
    other source a column has to say whose its rows are, or which request's."""

    retention: Retention = Retention()
    """How long raw partitions, scores and the prediction log are kept."""

    on_forget: Literal["keep", "retrain"] = "keep"
    """What follows when rows are forgotten that the version in production learned from: `retrain` has the training DAG run,
    `keep` only names the version."""

    schedule: Cron = "0 0 * * *"
    """When the features DAG runs, as a cron expression in UTC that fires once in each partition. Each run processes the partition
    that is over. By default at midnight; for partitions of another length, at the moment at which one ends."""

    @model_validator(mode="before")
    @classmethod
    def _runs_as_partitions_end(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "schedule" in given or not ({"every", "zone"} & given.keys()):
            return given
        try:
            cadence = Cadence(_LENGTH.validate_python(given.get("every", ONE_DAY)), given.get("zone", "UTC"))
        except ValueError:  # said of its own field
            return given
        return {**given, "schedule": cron_of(cadence)}

    @field_validator("every")
    @classmethod
    def _is_a_length(cls, every: timedelta) -> timedelta:
        if (wrong := wrong_length(every)) is not None:
            raise ValueError(wrong)
        return every

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str, others: ValidationInfo) -> str:
        if "every" in others.data and (wrong := wrong_zone(others.data["every"], zone)) is not None:
            raise ValueError(wrong)
        return zone

    @field_validator("schedule")
    @classmethod
    def _fires_once_in_each(cls, schedule: str, others: ValidationInfo) -> str:
        every, zone = others.data.get("every"), others.data.get("zone")
        if every is None or zone is None:  # what is wrong is said there
            return schedule
        cadence = Cadence(every, zone)
        return daily(schedule) if cadence.is_daily else once_in_each(schedule, cadence)

    @property
    def cadence(self) -> Cadence:
        """The rule by which its partitions are cut."""
        return Cadence(self.every, self.zone)

    @property
    def earliest(self) -> Partition:
        """The first partition that there is."""
        return self.cadence.on(self.first)

    def latest(self, last: date) -> Partition:
        """The last partition of a calendar day of `zone`."""
        return self.cadence.at(self.cadence.end_of_day(last) - MICROSECOND)

    def holds(self, partition: Partition | date) -> bool:
        """Whether it lies within the days that the source has."""
        here = self.cadence.of(partition)
        return self.earliest <= here and (self.last is None or here <= self.latest(self.last))

    def backfill(self, first: Partition, last: Partition) -> tuple[str, str]:
        """The dates between which Airflow's backfill makes the runs of some partitions, both included: a run's date is where its
        interval begins, which is within its partition."""
        if self.cadence.is_daily:
            return str(first), str(last)
        return f"{first.start.isoformat()}+00:00", f"{(last.end - ONE_MINUTE).isoformat()}+00:00"

    def lookback(self, partition: Partition | date) -> list[Partition]:
        """The partitions that one's features read, itself the last."""
        return self.cadence.back(partition, timedelta(days=self.lookback_days), self.earliest)

    @model_validator(mode="after")
    def _begins(self) -> Self:
        if self.sources and "first" not in self.model_fields_set:
            raise ValueError("first is needed where there are sources: the first day that has raw partitions")
        return self

    @model_validator(mode="after")
    def _keeps_what_is_read(self) -> Self:
        days = self.retention.raw_days
        if days is not None and days <= self.lookback_days:
            raise ValueError(f"retention.raw_days = {days} is less than a day reads back: lookback_days = {self.lookback_days}")
        return self

    @model_validator(mode="after")
    def _knows_what_is_landed(self) -> Self:
        landed = [each.source for each in self.warehouse]
        if unknown := sorted(set(landed) - set(self.sources)):
            raise ValueError(f"warehouse brings {unknown}, which are not among sources")
        if unknown := sorted(set(self.impersonal_sources) - set(self.sources)):
            raise ValueError(f"impersonal_sources has {unknown}, which are not among sources")
        if len(set(landed)) < len(landed):
            raise ValueError("warehouse brings a source twice; give each source one query or job")
        return self
