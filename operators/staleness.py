"""Tasks for a model whose retraining has a price: the staleness probe, which tells what keeping its champion costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

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
        from include.monitoring.shadows_step import WINDOWS
        from include.point_in_time.known import known_days

        monitored_version(services, self.model)
        spec = services.spec(self.model)
        moment = as_of(context, newest(services.control, self.model))
        days = spec.training.window_days + WINDOWS * spec.monitoring.window_days
        start, last = moment - timedelta(days=days), moment.date() - timedelta(days=1)
        params: dict[str, Any] = {
            "as_of": moment.isoformat(),
            "window_days": days,
            "holdout_days": spec.training.holdout_days,
            "minimum_rows": spec.training.minimum_rows,
            "features": spec.features.model_dump(mode="json"),
            "label": spec.label,
        }
        inputs = known_days(services.control, self.model, spec.features.views, start, last)
        return Request.of(self.step, self.function, self.model, params=params, inputs=inputs)


class TrainStalenessProbesOperator(ComputeOperator):
    """What a model trained at each past window would have erred since. None of them ever serves."""

    step = "shadows"
    function = "include.monitoring.shadows_step:run"

    def build(self, context: Context, services: Services) -> Request:
        spec, history = services.spec(self.model), pulled(context, "history")
        lineage = monitored_version(services, self.model).entry.lineage
        params: dict[str, Any] = {
            "as_of": services.ledger.resolve(history).value["as_of"],
            "data_until": services.ledger.resolve(lineage.training_set).value["as_of"],
            "window_days": spec.monitoring.window_days,
            "minimum_rows": spec.monitoring.minimum_rows,
            "training": {name: getattr(spec.training, name) for name in ("window_days", "holdout_days")},
            "features": spec.features.model_dump(mode="json"),
            "label": spec.label,
            "threshold": spec.serving.threshold,
        }
        return Request.of(self.step, self.function, self.model, params=params, inputs={"history": history})
