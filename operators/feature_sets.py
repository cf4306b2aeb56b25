"""Waiting for the feature sets that a model reads."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from airflow.sdk import Context

from include.core.errors import TransientError
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.run import partition_day
from operators.sensors import SlipstreamSensor
from operators.summary import subject
from operators.triggers import described


class FeatureSetsSensor(SlipstreamSensor):
    """Succeeds when every feature set that the model reads has published the day; frees its slot between looks.

    A model that reads none never waits. The set's own DAG publishes the day: `<set>_features`.

    :param plan: the output of a PlanTrainingOperator: the day before its moment is waited for
    :param day: the day (UTC), templated; else the run's parameter `day`, its event's, or the start of its data interval

    **Example** ::

        ready = FeatureSetsSensor(task_id="wait_for_feature_sets", model="flight_delay", plan=planned.output, timeout=86_400)
        ready >> built
    """

    takes: ClassVar[Inputs] = {"plan": Takes("", "PlanTrainingOperator", required=False)}
    template_fields = ("plan", "day")

    def __init__(self, *, plan: Input = None, day: date | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(plan=plan)
        self.day = day

    def poke(self, context: Context) -> bool:
        from include.features.shared import unpublished

        services = open_services()
        spec, day = services.spec(self.model), self._day(context)
        try:
            missing = unpublished(spec, day, services.control, services.feature_set)
        except (TransientError, OSError) as error:  # retries of the task would be over before a throttled store answers again
            self.log.warning("This check failed, the next comes in %g s: %s", self.poke_interval, described(error))
            return False
        for name, wanted in missing.items():
            self.log.info(
                "%s Waiting for %s of the feature set %s, which the DAG %s_features publishes.",
                subject(context, {"day": day.isoformat()}), wanted, name, name,
            )  # fmt: skip
        return not missing

    def _day(self, context: Context) -> date:
        if self.given_by["plan"] or self.plan is not None:
            moment = datetime.fromisoformat(self.required("plan")["as_of"])
            return (moment - timedelta(microseconds=1)).date()
        return partition_day(context, self.day)

    plan: Input = None
