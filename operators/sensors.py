"""Waiting for a day's raw partitions, and for features that are fresh online."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import TransientError
from include.core.nearest import nearest_day
from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.core.time import utc, utc_now
from include.services.services import Services
from operators.defaults import DELAY, RETRIES, TRIES
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes, WithInputs
from operators.run import run_partition
from operators.summary import subject
from operators.triggers import described

if TYPE_CHECKING:
    from airflow.sdk.definitions.retry_policy import RetryPolicy


class SlipstreamSensor(WithInputs, BaseSensorOperator):
    """Waits for something of one model, without holding a slot while it does."""

    def __init__(
        self,
        *,
        model: str,
        mode: str = "reschedule",
        poke_interval: timedelta | float = 60,
        retries: int | None = TRIES,
        retry_delay: timedelta | float = DELAY,
        retry_policy: RetryPolicy | None = RETRIES,
        **kwargs: Any,
    ) -> None:
        again: dict[str, Any] = {"retries": retries, "retry_delay": retry_delay, "retry_policy": retry_policy}
        super().__init__(mode=mode, poke_interval=poke_interval, **again, **kwargs)
        self.model = model


class PartitionSensor(SlipstreamSensor):
    """Succeeds when every source of the model has landed the day; frees its slot between looks.

    A day outside the source's own range is skipped with that reason: unpausing a DAG always makes a run
    for the newest wall-clock day, which a source that has ended will never bring.

    :param day: the day (UTC), templated; else the run's parameter `day`, its event's, or the start of its data interval

    **Example** ::

        landed = PartitionSensor(task_id="landed", model="flight_delay", day="{{ ds }}", timeout=86_400)
    """

    template_fields = ("day",)

    def __init__(
        self,
        *,
        day: date | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.day = day

    def poke(self, context: Context) -> bool:
        services = open_services()
        spec = services.owner(self.model)
        day = run_partition(context, spec.data.cadence, self.day)
        skip_outside(spec, day)
        try:
            missing = missing_paths(services, spec, day)
        except (TransientError, OSError) as error:  # retries of the task would be over before a throttled store answers again
            self.log.warning("This check failed, the next comes in %g s: %s", self.poke_interval, described(error))
            return False
        if missing:
            self.log.info("%s Waiting for %s", subject(context, {"day": day.name}), ", ".join(missing))
            self.log.info("Of the days that have landed whole, %s", nearest_day(day, landed_whole(services, spec)))
        return not missing


def skip_outside(spec: PartitionOwner, day: Partition) -> None:
    """Raises AirflowSkipException for a day that the source does not cover."""
    data = spec.data
    if not data.holds(day):
        raise AirflowSkipException(f"{day} is outside the source's days ({data.first} to {data.last or 'now'}): nothing to do.")


def missing_paths(services: Services, spec: PartitionOwner, day: Partition) -> list[str]:
    """URIs of the day's raw partitions that are not there yet."""
    from include.data.raw import RawPartitions

    raw = RawPartitions.of(services.storage, spec)
    return [services.storage.uri(raw.path(source, day)) for source in spec.data.sources if not raw.exists(source, day)]


def landed_whole(services: Services, spec: PartitionOwner) -> set[Partition]:
    """The days of which every source has landed."""
    from include.data.raw import RawPartitions

    raw = RawPartitions.of(services.storage, spec)
    return set.intersection(*(set(raw.days(source)) for source in spec.data.sources))


class FreshnessSensor(SlipstreamSensor):
    """Succeeds when the newest online value of every view is as fresh as its definition says, as of the run's interval end.

    The views are the model's own, or a feature set's; for those that a model reads of a set, the set's own DAG waits.

    A run without an interval, triggered by hand, means now.

    :param features: the output of a PublishFeaturesOperator, for a model whose days may be empty (`data.empty_days`): a view
        without rows that day cannot be made fresher

    **Example** ::

        fresh = FreshnessSensor(task_id="fresh", model="flight_delay", features=published.output, timeout=3600)
    """

    takes: ClassVar[Inputs] = {"features": Takes("features", "PublishFeaturesOperator", required=False)}
    template_fields = ("features",)

    def __init__(
        self,
        *,
        features: Input = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.take(features=features)

    def poke(self, context: Context) -> bool:
        from include.features.online.freshness import freshness, stale_words

        services = open_services()
        end = context.get("data_interval_end")
        moment = utc(end) if end is not None else utc_now()
        try:
            spec = services.owner(self.model)
            words = stale_words(freshness(services.online(), spec, moment, spec.features.own))
        except (TransientError, OSError) as error:
            self.log.warning("This check failed, the next comes in %g s: %s", self.poke_interval, described(error))
            return False
        nothing = self._without_rows(services)
        words = [each for each in words if each.partition(":")[0] not in nothing]  # each begins with its view
        for each in words:
            self.log.info("Waiting: %s", each)
        return not words

    def _without_rows(self, services: Services) -> set[str]:
        """The views of which the run's day has no rows, where it may have none: it cannot make them any fresher."""
        made = self.ref_or_none("features", services) if services.owner(self.model).data.empty_days else None
        rows = services.ledger.resolve(made).value["rows"] if made else {}
        return {view for view, count in rows.items() if not count}


def s3_partition_sensor(model: str, day: date | str | None = None, **kwargs: Any) -> BaseSensorOperator:
    """The same wait on S3, by the amazon provider's S3KeySensor (its hook, its connection, its trigger)."""
    from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor

    class S3PartitionSensor(S3KeySensor):
        """Fills in the run's day, then is an S3KeySensor."""

        def __init__(
            self,
            *,
            day: date | str | None,
            poke_interval: timedelta | float = 60,
            retries: int | None = TRIES,
            retry_delay: timedelta | float = DELAY,
            retry_policy: RetryPolicy | None = RETRIES,
            **kwargs: Any,
        ) -> None:
            again: dict[str, Any] = {"retries": retries, "retry_delay": retry_delay, "retry_policy": retry_policy}
            super().__init__(poke_interval=poke_interval, **again, **kwargs)
            self.day = day

        template_fields = (*S3KeySensor.template_fields, "day")

        def execute(self, context: Context) -> Any:
            services = open_services()
            spec = services.owner(model)
            day = run_partition(context, spec.data.cadence, self.day)
            skip_outside(spec, day)
            from include.data.raw import RawPartitions

            raw = RawPartitions.of(services.storage, spec)
            self.log.info("%s", subject(context, {"day": day.name}))
            if missing_paths(services, spec, day):
                self.log.info("Of the days that have landed whole, %s", nearest_day(day, landed_whole(services, spec)))
            self.bucket_key = [services.storage.uri(raw.path(source, day)) for source in spec.data.sources]
            return super().execute(context)

    return S3PartitionSensor(day=day, bucket_key="s3://filled/in-at-run-time", **kwargs)
