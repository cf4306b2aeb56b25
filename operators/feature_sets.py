"""Waiting for the feature sets that a model reads."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from airflow.sdk import Context

from include.core.errors import TransientError
from include.core.partition import Cadence
from operators.features import has_plan
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.run import run_partition
from operators.sensors import SlipstreamSensor
from operators.summary import subject
from operators.triggers import described


class FeatureSetsSensor(SlipstreamSensor):
    """Succeeds when every feature set that the model reads has published what was over by then; frees its slot between looks.

    A model that reads none never waits. The set's own DAG publishes its partitions, of whatever cadence: `<set>_features`.

    :param plan: the output of a PlanTrainingOperator, whose moment it is
    :param day: the model's partition, whose end it is, templated; else the run's

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
        spec = services.spec(self.model)
        end = self._end(context, spec.data.cadence)
        try:
            missing = unpublished(spec, end, services.control, services.feature_set)
        except (TransientError, OSError) as error:  # retries of the task would be over before a throttled store answers again
            self.log.warning("This check failed, the next comes in %g s: %s", self.poke_interval, described(error))
            return False
        for name, wanted in missing.items():
            self.log.info(
                "%s Waiting for %s of the feature set %s, which the DAG %s_features publishes.",
                subject(context, {"until": end.isoformat()}), wanted, name, name,
            )  # fmt: skip
        return not missing

    def _end(self, context: Context, cadence: Cadence) -> datetime:
        """Up to when the sets are needed: the plan's moment, else the end of the model's own partition."""
        if has_plan(self):
            return datetime.fromisoformat(self.required("plan")["as_of"])
        return run_partition(context, cadence, self.day).end
