"""Tasks for a model whose retraining has a price: the staleness probe, which shows what keeping its champion costs."""

from __future__ import annotations

from airflow.sdk import Context

from include.core.request import Request
from include.services.services import Services
from operators.base import ComputeOperator
from operators.monitoring import monitored_version
from operators.run import as_of, pulled


class BuildHistoryOperator(ComputeOperator):
    """The rows of every training that could have been, over the past that the probe covers: one point-in-time snapshot."""

    step = "training_set"
    function = "include.features.training_set_step:run"

    def build(self, context: Context, services: Services) -> Request:
        from include.data.published import newest
        from include.features.request import training_set_request
        from include.monitoring.shadows_step import WINDOWS

        monitored_version(services, self.model)
        spec = services.spec(self.model)
        moment = as_of(context, newest(services.control, self.model))
        days = spec.training.window_days + WINDOWS * spec.monitoring.window_days
        return training_set_request(spec, moment, services.control, window_days=days)


class TrainStalenessProbesOperator(ComputeOperator):
    """What a model trained at each past window would have erred since. None of them ever serves."""

    step = "shadows"
    function = "include.monitoring.shadows_step:run"

    def build(self, context: Context, services: Services) -> Request:
        from include.monitoring.request import shadows_request

        history = pulled(context, "history")
        lineage = monitored_version(services, self.model).entry.lineage
        until = services.ledger.resolve(lineage.training_set).value["as_of"]
        return shadows_request(services.spec(self.model), history, services.ledger.resolve(history).value["as_of"], until)
