"""Tasks that judge data: a day's raw partitions, and a training set."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from airflow.sdk import Context

from include.core.request import Json, Request, Result
from include.services.services import Services
from operators.base import ComputeOperator
from operators.inputs import Input, Inputs, Takes
from operators.links import DataDocsLink, report_url
from operators.run import run_partition


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
    """One verdict for a day's raw partitions, bound to their digests. Bad rows go to quarantine.

    Returns a reference to the verdict, which PublishFeaturesOperator takes.

    :param day: the day (UTC), templated; else the run's parameter `day`, its event's, or the start of its data interval

    **Example**: several days in one run; `which_days` is a task that returns them ::

        validated = ValidateDataOperator.partial(task_id="check", model="flight_delay").expand(day=which_days())
    """

    step = "validate"
    function = "include.validation.validate_step:run"
    template_fields = ("day",)

    def __init__(self, *, day: date | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.day = day

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        from include.validation.kept import keep

        keep(services.control, self.model, [result])  # before it is acted on: a failed one is looked for most
        return super().deliver(result, context, services)

    def build(self, context: Context, services: Services) -> Request:
        from include.data.suppression import suppress
        from include.validation.request import verdict_request

        spec = services.owner(self.model)
        day = run_partition(context, spec.data.cadence, self.day)
        suppress(spec, services.storage, [day], services.settings)  # before anything reads what may have landed again
        return verdict_request(spec, day, services.storage)


class ValidateTrainingSetOperator(_ValidateOperator):
    """The verdict on a training set: fails where an expectation of it that stops does not hold.

    Returns a reference to the verdict. What trains on the set is to follow it (`validated >> trained`).

    :param training_set: the output of a BuildTrainingSetOperator

    **Example** ::

        validated = ValidateTrainingSetOperator(task_id="check", model="flight_delay", training_set=built.output)
    """

    step = "validate_training_set"
    function = "include.validation.validate_training_set_step:run"
    takes: ClassVar[Inputs] = {"training_set": Takes("training_set", "BuildTrainingSetOperator")}
    template_fields = ("training_set",)

    def __init__(self, *, training_set: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(training_set=training_set)

    def build(self, context: Context, services: Services) -> Request:
        from include.validation.request import training_set_verdict_request

        return training_set_verdict_request(services.spec(self.model), self.ref("training_set", services))
