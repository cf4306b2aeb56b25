"""Tasks that judge data: a day's raw partitions, and a training set."""

from __future__ import annotations

from airflow.sdk import Context

from include.core.request import Json, Request, Result
from include.services.services import Services
from operators.base import ComputeOperator
from operators.links import DataDocsLink, report_url
from operators.run import partition_day, pulled


class _ValidateOperator(ComputeOperator):
    operator_extra_links = (DataDocsLink(),)

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        """The verdict is committed before it is acted on: a batch has one verdict, whatever happens to the task."""
        from include.step_values.validation import ValidateValue
        from include.validation.verdict import raise_if_failed

        if "docs.html" in result.files:
            self.links[DataDocsLink.kind] = report_url(result.files["docs.html"].path)
        raise_if_failed(
            result.read(ValidateValue), {name: services.storage.uri(file.path) for name, file in result.files.items()}
        )
        return super().deliver(result, context, services)


class ValidateDataOperator(_ValidateOperator):
    """One verdict for a day's raw partitions, bound to their digests. Bad rows go to quarantine."""

    step = "validate"
    function = "include.validation.validate_step:run"

    def build(self, context: Context, services: Services) -> Request:
        from include.validation.request import verdict_request

        return verdict_request(services.spec(self.model), partition_day(context), services.storage)


class ValidateTrainingSetOperator(_ValidateOperator):
    """The verdict on a training set."""

    step = "validate_training_set"
    function = "include.validation.validate_training_set_step:run"

    def build(self, context: Context, services: Services) -> Request:
        from include.validation.request import training_set_verdict_request

        return training_set_verdict_request(services.spec(self.model), pulled(context, "build_training_set"))
