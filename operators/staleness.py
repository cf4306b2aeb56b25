"""Tasks for a model whose retraining has a price: the staleness probe, which shows what keeping its champion costs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from airflow.sdk import Context

from include.core.request import Request
from include.services.services import Services
from operators.base import ComputeOperator
from operators.inputs import Input, Inputs, Takes
from operators.monitoring import monitored_version
from operators.run import as_of


class BuildHistoryOperator(ComputeOperator):
    """The rows of every training that could have been, over the past that the probe covers: one point-in-time snapshot.

    :param as_of: its end (UTC), templated; else the run's, as of CollectPredictionsOperator

    **Example** ::

        history = BuildHistoryOperator(task_id="history", model="flight_delay")
    """

    step = "training_set"
    function = "include.features.training_set_step:run"
    template_fields = ("as_of",)

    def __init__(self, *, as_of: datetime | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.as_of = as_of

    def build(self, context: Context, services: Services) -> Request:
        from include.data.published import newest
        from include.features.request import training_set_request
        from include.monitoring.shadows_step import WINDOWS

        monitored_version(services, self.model)
        spec = services.spec(self.model)
        moment = as_of(context, newest(services.control, self.model), self.as_of)
        days = spec.training.window_days + WINDOWS * spec.monitoring.window_days
        # Its parts are put together, and reach back to days that were published before the spec named any attribute.
        return training_set_request(spec, moment, services.control, window_days=days, attributes=False)


class TrainStalenessProbesOperator(ComputeOperator):
    """What a model trained at each past window would have erred since. None of them ever serves.

    :param history: the output of a BuildHistoryOperator

    **Example** ::

        probes = TrainStalenessProbesOperator(task_id="probes", model="flight_delay", history=history.output)
    """

    step = "shadows"
    function = "include.monitoring.shadows_step:run"
    takes: ClassVar[Inputs] = {"history": Takes("training_set", "BuildHistoryOperator")}
    template_fields = ("history",)

    def __init__(self, *, history: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(history=history)

    def build(self, context: Context, services: Services) -> Request:
        from include.monitoring.request import shadows_request

        history = self.ref("history", services)
        lineage = monitored_version(services, self.model).entry.lineage
        until = services.ledger.resolve(lineage.training_set).value["as_of"]
        return shadows_request(services.spec(self.model), history, services.ledger.resolve(history).value["as_of"], until)
