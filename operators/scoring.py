"""The nightly batch."""

from __future__ import annotations

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.request import Request
from include.core.time import start_of_day
from include.services.services import Services
from operators.base import ComputeOperator
from operators.links import JobLink
from operators.run import partition_day


class ScoreBatchOperator(ComputeOperator):
    """Scores a day's entities with the version in production. The version is part of the key: a rerun after
    a promotion makes a second result and leaves the first."""

    step = "score"
    function = "include.scoring.score_step:run"
    operator_extra_links = (JobLink(),)

    def build(self, context: Context, services: Services) -> Request:
        from datetime import date, timedelta

        from include.core.nearest import nearest_day
        from include.data.published import published
        from include.point_in_time.known import known_days
        from include.scoring.request import score_request

        spec, day, record = services.spec(self.model), partition_day(context), services.champion(self.model)
        if record is None:
            raise AirflowSkipException(f"{self.model} has no version in production yet.")
        start = start_of_day(day) - timedelta(days=spec.data.lookback_days)  # a day's rows may have been asked late
        days = known_days(services.control, self.model, spec.features.views, start, day)
        if day.isoformat() not in days:
            near = nearest_day(day, published(services.control, self.model, date.min, date.max))
            raise AirflowSkipException(f"{day} is not published yet. Of the published days, {near}")
        return score_request(spec, day, record, days)
