"""Tasks that make features: a day's offline partition, its online values, and a training set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Context

from include.core.errors import InputError
from include.core.partition import Partition
from include.core.request import Json, Ref, Request, Result
from include.services.services import Services
from operators.assets import partition_asset, with_outlet
from operators.base import ComputeOperator, ReconcileOperator
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes, require_feedback
from operators.run import as_of, holder, run_partition, said

if TYPE_CHECKING:
    from include.overview.datasets import Flow


class PublishFeaturesOperator(ComputeOperator):
    """Computes a day's feature partition and publishes it: readers see the old one or the new one, never half.

    Returns a reference to the partition, which MaterializeFeaturesOperator takes. The day is the verdict's own.

    :param verdict: the output of a ValidateDataOperator
    :param day: only to be sure: the task fails if the verdict is of another day; templated

    **Example**: one task a verdict of the mapped task before ::

        published = PublishFeaturesOperator.partial(task_id="publish", model="flight_delay").expand(verdict=validated.output)
    """

    step = "features"
    function = "include.features.features_step:run"
    takes: ClassVar[Inputs] = {"verdict": Takes("validate", "ValidateDataOperator")}
    template_fields = ("verdict", "day")

    def __init__(self, *, verdict: Input = None, day: date | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(verdict=verdict)
        self.day = day

    def build(self, context: Context, services: Services) -> Request:
        from include.features.request import features_request

        verdict = self.ref("verdict", services)
        day = day_of(self, "verdict", verdict, context, services)
        return features_request(services.owner(self.model), day, services.storage, verdict)

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        """Publish what is still right. Of several publishers at once the first does it; the others see that it is done."""
        from include.features.publication import lacking, publish_current

        spec, day = services.owner(self.model), Partition.read(result.value)
        changed = publish_current(
            spec,
            services.ledger,
            services.control,
            result,
            holder=holder(context),
            key=lambda: self.build(context, services).key,
            hint="clear the run from its first task: it takes what is there now.",
        )
        for words in lacking(result):
            self.log.warning("%s", words)
        self.log.info("%s", f"{day} is published now." if changed else f"{day} was published with this result already.")
        if changed:
            self._log_late(day, services)
        return services.ledger.ref(result).to_json()

    def _log_late(self, day: Partition, services: Services) -> None:
        """Later days that read this one's partitions as they were before, or lacked them."""
        from include.features.publication import late_after

        late = late_after(services.owner(self.model), services.ledger, services.control, day)
        for each in late:
            self.log.warning("%s is to be made again: %s.", each.day, each.words)
        if late:
            self.log.warning("The watcher of landed days does that (triggers.landing), or what this command says: "
                             "slipstream features catch-up %s", self.model)  # fmt: skip


class MaterializeFeaturesOperator(ReconcileOperator):
    """Brings the day's newest values online, then reads them back and compares.

    It says so by an event of the asset `{model}_partition`, whose partition key is the day's name (operators.partition_asset).

    :param features: the output of a PublishFeaturesOperator: the day is its own
    :param day: only to be sure: the task fails if the features are of another day; templated

    **Example** ::

        online = MaterializeFeaturesOperator(task_id="online", model="flight_delay", features=published.output)
    """

    takes: ClassVar[Inputs] = {"features": Takes("features", "PublishFeaturesOperator")}
    template_fields = ("features", "day")
    views: Mapping[str, Any] | None = None  # what is online by now

    def __init__(self, *, model: str, features: Input = None, day: date | str | None = None, **kwargs: Any) -> None:
        super().__init__(**with_outlet(partition_asset(model), kwargs), model=model)
        self.take(features=features)
        self.day = day

    def resource(self, context: Context) -> str:
        return f"materialize/{self.model}/{self._day(context)}"

    def about(self, context: Context) -> Mapping[str, Any]:
        return {"day": self._day(context).name}

    def _day(self, context: Context) -> Partition:
        services = open_services()
        return day_of(self, "features", self.ref("features", services), context, services)

    def summary_lines(self, value: Mapping[str, Any]) -> Iterable[str]:
        for name, seen in value["views"].items():
            rows = f"{seen['entities']:,} entities, {seen['written']:,} written, {seen['newer']:,} newer online already"
            yield f"{name}: {rows}"

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.features.online.materialize import materialize

        result = services.ledger.resolve(self.ref("features", services))
        self.views = materialize(services.owner(self.model), result, services.ledger, services.settings, services.online())
        context["outlet_events"][partition_asset(self.model)].add_partitions(Partition.read(result.value).name)
        return self.views

    def flow(self, services: Services) -> Flow | None:
        from include.overview.datasets import online_flow

        if self.views is None:
            return None
        result = services.ledger.resolve(self.ref("features", services))
        return online_flow(result, services.ledger, services.settings.online_url, self.views["views"])


class BuildTrainingSetOperator(ComputeOperator):
    """The training set as it could have been known at a moment: an immutable snapshot with a digest.

    Returns a reference to it, which training, its validation, the evaluation and the registration take.

    :param plan: the output of a PlanTrainingOperator, whose moment it is
    :param as_of: the moment itself (UTC, such as 2013-04-01), templated; else the run's parameter `as_of`, its event's, the end
        of its data interval, or of the newest published day
    :param withdrawn: the output of a ListWithdrawnOperator, for a spec with `training.without_withdrawn`
    :param feedback: the output of a CollectFeedbackOperator, for a spec with "training" in `serving.feedback`

    **Example**: one training set a month, each as of its end ::

        built = BuildTrainingSetOperator.partial(task_id="build", model="flight_delay").expand(as_of=["2013-03-01", "2013-04-01"])
    """

    step = "training_set"
    function = "include.features.training_set_step:run"
    takes: ClassVar[Inputs] = {
        "plan": Takes("", "PlanTrainingOperator", required=False),
        "withdrawn": Takes("withdrawn", "ListWithdrawnOperator", required=False),
        "feedback": Takes("labels", "CollectFeedbackOperator", required=False),
    }
    template_fields = ("plan", "as_of", "withdrawn", "feedback")

    def __init__(
        self,
        *,
        plan: Input = None,
        as_of: datetime | str | None = None,
        withdrawn: Input = None,
        feedback: Input = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.take(plan=plan, withdrawn=withdrawn, feedback=feedback)
        self.as_of = as_of
        refuse_two_moments(self)

    def build(self, context: Context, services: Services) -> Request:
        from include.features.request import training_set_request

        spec, withdrawn = services.spec(self.model), self.ref_or_none("withdrawn", services)
        if spec.training.without_withdrawn and withdrawn is None:
            raise InputError(
                f"The training set of {self.model} leaves out what withdrawn versions answered: {self.task_id} has no list.",
                safe="nothing was computed.",
                hint="pass withdrawn=listed.output, where listed is a ListWithdrawnOperator; or set training.without_withdrawn.",
            )
        feedback = self.ref_or_none("feedback", services)
        require_feedback(self, spec, feedback, "training", "feedback")
        moment = moment_of(self, context, services)
        return training_set_request(spec, moment, services.control, withdrawn=withdrawn, feedback=feedback)


class ListWithdrawnOperator(ComputeOperator):
    """The requests that rolled-back versions answered: the training set leaves them out (`training.without_withdrawn`).

    :param plan: the output of a PlanTrainingOperator, whose moment it is
    :param as_of: the moment itself, templated; else the run's, as of BuildTrainingSetOperator

    **Example** ::

        listed = ListWithdrawnOperator(task_id="withdrawn", model="flight_delay", plan=planned.output)
        built = BuildTrainingSetOperator(
            task_id="build", model="flight_delay", plan=planned.output, withdrawn=listed.output
        )
    """

    step = "withdrawn"
    function = "include.features.withdrawn_step:run"
    takes: ClassVar[Inputs] = {"plan": Takes("", "PlanTrainingOperator", required=False)}
    template_fields = ("plan", "as_of")

    def __init__(self, *, plan: Input = None, as_of: datetime | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(plan=plan)
        self.as_of = as_of
        refuse_two_moments(self)

    def build(self, context: Context, services: Services) -> Request:
        from include.features.withdrawn_step import snapshot
        from include.rollout.history import withdrawn

        moment, gone = moment_of(self, context, services), withdrawn(services.control, self.model)
        return snapshot(services.prediction_log, services.spec(self.model), moment.isoformat(), gone)


def day_of(operator: Any, name: str, ref: Ref, context: Context, services: Services) -> Partition:
    """The day that an input is about. Raises InputError where the operator was given another one."""
    day = Partition.read(services.ledger.resolve(ref).value)
    if said(operator.day) is None:
        return day
    if (given := run_partition(context, services.spec(operator.model).data.cadence, operator.day)) != day:
        raise InputError(
            f"The input {name!r} of {operator.task_id} is of {day}, and the task is to be of {given}.",
            seen=ref.uri,
            safe="nothing was computed.",
            hint=f"give the tasks of one day one day; without `day` this task takes that of {name!r}.",
        )
    return day


def moment_of(operator: Any, context: Context, services: Services) -> datetime:
    """The plan's moment, else the operator's own, else the run's. UTC, without zone."""
    from include.data.published import newest

    if has_plan(operator):
        return datetime.fromisoformat(operator.required("plan")["as_of"])
    return as_of(context, newest(services.control, operator.model), operator.as_of)


def has_plan(operator: Any) -> bool:
    return bool(operator.given_by["plan"]) or operator.plan is not None


def refuse_two_moments(operator: Any) -> None:
    """Raises InputError for an operator that is given both a plan and a moment."""
    if operator.plan is not None and operator.as_of is not None:
        raise InputError(
            f"{operator.task_id} is given a plan and a moment: which of them is meant?",
            seen=operator.as_of,
            safe="the other DAG files are as they were.",
            hint="pass `as_of` to the PlanTrainingOperator, or leave the plan out.",
        )
