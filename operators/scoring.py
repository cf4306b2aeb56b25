"""The nightly batch."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.request import Request
from include.services.services import Services
from operators.base import ComputeOperator
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
