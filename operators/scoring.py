"""The nightly batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, ClassVar

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.request import Request
from include.services.services import Services
from operators.base import ComputeOperator, ReconcileOperator
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.links import JobLink
from operators.run import run_partition


class ScoreBatchOperator(ComputeOperator):
    """Scores a day's entities with the version in production. The version is part of the key: a rerun after
    a promotion makes a second result and leaves the first.

    :param day: the day (UTC), templated; else the run's parameter `day`, its event's, or the start of its data interval
    :param where, pool, queue: as of TrainModelOperator

    **Example** ::

        scored = ScoreBatchOperator.partial(task_id="score", model="flight_delay").expand(day=["2013-03-01", "2013-03-02"])
    """

    step = "score"
    function = "include.scoring.score_step:run"
    operator_extra_links = (JobLink(),)
    template_fields = ("day",)

    def __init__(self, *, day: date | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.day = day

    def build(self, context: Context, services: Services) -> Request:
        from include.core.nearest import nearest_day
        from include.data.published import published
        from include.point_in_time.known import known_days
        from include.scoring.request import score_request

        spec, record = services.spec(self.model), services.champion(self.model)
        day = run_partition(context, spec.data.cadence, self.day)
        if record is None:
            raise AirflowSkipException(f"{self.model} has no version in production yet.")
        start = day.start - timedelta(days=spec.data.lookback_days)  # a day's rows may have been asked late
        days = known_days(services.control, self.model, spec.features.views, start, day.end)
        if day.name not in days:
            near = nearest_day(day, published(services.control, self.model, date.min, date.max))
            raise AirflowSkipException(f"{day} is not published yet. Of the published days, {near}")
        return score_request(spec, day, record, days)


class PublishScoresOperator(ReconcileOperator):
    """Makes a day's scores the one file of their partition in the table that others read (`scores/{model}/date=.../`), and, where
    `scoring.defaults` says so, what the gateway answers when it has nothing better.

    Returns `path`, `version`, `rows`, whether anything `changed`, and how many rows are `online`.

    :param scores: the output of a ScoreBatchOperator: the day is its own

    **Example** ::

        published = PublishScoresOperator(task_id="publish", model="flight_delay", scores=scored.output)
    """

    takes: ClassVar[Inputs] = {"scores": Takes("score", "ScoreBatchOperator")}
    template_fields = ("scores",)
    lock_timeout: ClassVar[float] = 5.0  # of two runs of one day both are right: the later one's scores stand

    def __init__(self, *, scores: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(scores=scores)

    def resource(self, context: Context) -> str:
        from include.scoring.table import resource

        return resource(self.model, self._day())

    def about(self, context: Context) -> Mapping[str, Any]:
        return {"day": self._day()}

    def _day(self) -> str:
        services = open_services()
        return str(services.ledger.resolve(self.ref("scores", services)).value["day"])

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.scoring.precomputed import put_online
        from include.scoring.table import publish

        result, spec = services.ledger.resolve(self.ref("scores", services)), services.spec(self.model)
        value = publish(services.control, services.ledger, self.model, result, epoch)
        online = put_online(spec, services.ledger, services.online(), result) if spec.scoring.defaults else 0
        return {**value, "online": online}

    def summary_lines(self, value: Mapping[str, Any]) -> Iterable[str]:
        done = "written" if value["changed"] else "as it was"
        yield f"{value['path']}: {value['rows']:,} rows of version {value['version']}, {done}"
        if value["online"]:
            yield f"{value['online']:,} entities have a precomputed score online"
