"""Tasks that watch a model whose features, labels and training are not managed here: all that is known of it is its log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.partition import Partition
from include.core.request import Ref, Request, Result
from include.core.time import utc_now
from include.services.services import Services
from operators.base import ComputeOperator
from operators.features import has_plan, moment_of, refuse_two_moments
from operators.inputs import Input, Inputs, Takes
from operators.run import as_of

if TYPE_CHECKING:
    from include.versions.record import VersionRecord


class CollectFeedbackOperator(ComputeOperator):
    """The labels that callers have sent: for the requests of a monitoring window and of those before it, or for a training set.

    Returns a reference to them, which CollectPredictionsOperator and BuildTrainingSetOperator take.

    :param as_of: the window's end (UTC), templated; else the run's
    :param plan: the output of a PlanTrainingOperator: those of its training set are meant

    **Example** ::

        labels = CollectFeedbackOperator(task_id="labels", model="parcel")
        collected = CollectPredictionsOperator(task_id="collect", model="parcel", labels=labels.output)

        told = CollectFeedbackOperator(task_id="told", model="flight_delay", plan=planned.output)
        built = BuildTrainingSetOperator(
            task_id="build", model="flight_delay", plan=planned.output, feedback=told.output
        )
    """

    step = "labels"
    function = "include.monitoring.feedback_step:run"
    takes: ClassVar[Inputs] = {"plan": Takes("", "PlanTrainingOperator", required=False)}
    template_fields = ("as_of", "plan")

    def __init__(self, *, as_of: datetime | str | None = None, plan: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(plan=plan)
        self.as_of = as_of
        refuse_two_moments(self)

    def build(self, context: Context, services: Services) -> Request:
        from include.monitoring.feedback_step import snapshot, told_snapshot

        spec = services.spec(self.model)
        if has_plan(self):
            moment = moment_of(self, context, services)
            return told_snapshot(services.prediction_log, spec, moment, spec.training.window_days)
        moment = as_of(context, newest_day(services, self.model), self.as_of)
        if not spec.managed:
            return snapshot(services.prediction_log, spec, moment)
        days = spec.monitoring.window_days * (1 + spec.monitoring.label_wait)
        return told_snapshot(services.prediction_log, spec, moment, days)


class GatherPastOperator(ComputeOperator):
    """What the champion was asked in earlier windows. Skipped in its first one: there is nothing to compare with.

    Returns a reference to it, which ProfileReferenceOperator and MonitorModelOperator take.

    :param collected: the output of a CollectPredictionsOperator

    **Example** ::

        past = GatherPastOperator(task_id="past", model="parcel", collected=collected.output)
    """

    step = "past"
    function = "include.monitoring.past_step:run"
    takes: ClassVar[Inputs] = {"collected": Takes("collect", "CollectPredictionsOperator")}
    template_fields = ("collected",)

    def __init__(self, *, collected: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(collected=collected)

    def build(self, context: Context, services: Services) -> Request:
        from include.monitoring.past_step import past_request

        record, spec = services.champion(self.model), services.spec(self.model)
        if record is None:
            raise AirflowSkipException(f"{self.model} has no version in production: it was asked nothing yet.")
        until = services.ledger.resolve(self.ref("collected", services)).value["window"].split("/")[0]
        request = past_request(services.ledger, spec, record.version, _collected(services, self.model), until)
        if request is None:
            raise AirflowSkipException(f"Version {record.version} of {self.model} was asked nothing in a window before this one.")
        return request


def _collected(services: Services, model: str) -> list[Result]:
    from include.governance.invalidation import find

    held = sorted(find(services.ledger, model, "collect"), key=lambda each: each.committed_at)
    return [result for each in held if each.committed_at and (result := services.ledger.result(each.key))]


def newest_day(services: Services, model: str) -> Partition | None:
    """The last day whose data are there: of a model without sources of its own, yesterday."""
    from include.data.published import newest

    if services.spec(model).managed:
        return newest(services.control, model)
    return Partition.of_day(utc_now().date() - timedelta(days=1))


def watched_rows(services: Services, record: VersionRecord, past: Ref | None) -> Ref:
    """What a champion is watched against: its training set, else the rows it was evaluated on, else what it was asked before.

    Where there are none, the training set itself, which says so.
    """
    from include.governance.imported import rows_of

    return rows_of(services.ledger, record) or past or record.entry.lineage.training_set
