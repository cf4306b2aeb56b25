"""Tasks that make features: a day's offline partition, its online values, and a training set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from airflow.sdk import Context

from include.core.errors import InputError, SupersededError
from include.core.request import Json, Ref, Request, Result
from include.services.services import Services
from operators.base import ComputeOperator, ReconcileOperator
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.run import as_of, holder, partition_day, said


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
        return features_request(services.spec(self.model), day, services.storage, verdict)

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        """Publish what is still right. Of several publishers at once the first does it; the others see that it is done."""
        from include.core.advisory_lock import exclusive
        from include.data.published import publish, resource

        day, ref = date.fromisoformat(result.value["day"]), services.ledger.ref(result)
        with exclusive(services.control, resource(self.model, day), holder(context)) as epoch:
            self._require_current(result, context, services)  # after the take: whoever replaces it takes later, and fences us
            share = services.spec(self.model).data.minimum_share
            changed = publish(services.control, self.model, day, ref, result.value["rows"], epoch, share)
        self._log_missing(day, result)
        self.log.info("%s", f"{day} is published now." if changed else f"{day} was published with this result already.")
        if changed:
            self._log_late(day, services)
        return ref.to_json()

    def _log_missing(self, day: date, result: Result) -> None:
        for source, days in result.value.get("lacked", {}).items():
            self.log.warning("The features of %s lack %s of %s: those partitions of its look-back have not landed. When they do, "
                             "the day is to be made again (docs/operating.md).", day, source, ", ".join(days))  # fmt: skip

    def _log_late(self, day: date, services: Services) -> None:
        """Later days that read this one's partitions as they were before, or lacked them."""
        from include.data.published import published
        from include.data.raw import RawPartitions
        from include.features.offline.late import Digests, late_days, made_of

        data, raw = services.spec(self.model).data, RawPartitions(services.storage, self.model)
        refs = published(services.control, self.model, day + timedelta(days=1), day + timedelta(days=data.lookback_days))
        late = late_days(raw, data, made_of(services.ledger, refs, {}), Digests(trust_times=True)) if refs else []
        for each in late:
            self.log.warning("%s is to be made again: %s.", each.day, each.words)
        if late:
            self.log.warning("The watcher of landed days does that (triggers.landing), or what this command says: "
                             "slipstream features catch-up %s", self.model)  # fmt: skip

    def _require_current(self, result: Result, context: Context, services: Services) -> None:
        """Raises SupersededError if this run has read raw partitions, or code, that were replaced meanwhile."""
        if self.build(context, services).key != result.key:
            raise SupersededError(
                f"The features of {result.value['day']} were computed from partitions or code that have changed since.",
                seen=result.key,
                safe="nothing was published; the published partition stays.",
                hint="clear the run from its first task: it takes what is there now.",
            )


class MaterializeFeaturesOperator(ReconcileOperator):
    """Brings the day's newest values online, then reads them back and compares.

    :param features: the output of a PublishFeaturesOperator: the day is its own
    :param day: only to be sure: the task fails if the features are of another day; templated

    **Example** ::

        online = MaterializeFeaturesOperator(task_id="online", model="flight_delay", features=published.output)
    """

    takes: ClassVar[Inputs] = {"features": Takes("features", "PublishFeaturesOperator")}
    template_fields = ("features", "day")

    def __init__(self, *, features: Input = None, day: date | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(features=features)
        self.day = day

    def resource(self, context: Context) -> str:
        return f"materialize/{self.model}/{self._day(context)}"

    def about(self, context: Context) -> Mapping[str, Any]:
        return {"day": self._day(context).isoformat()}

    def _day(self, context: Context) -> date:
        services = open_services()
        return day_of(self, "features", self.ref("features", services), context, services)

    def summary_lines(self, value: Mapping[str, Any]) -> Iterable[str]:
        for name, seen in value["views"].items():
            rows = f"{seen['entities']:,} entities, {seen['written']:,} written, {seen['newer']:,} newer online already"
            yield f"{name}: {rows}"

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.features.online.materialize import materialize

        result = services.ledger.resolve(self.ref("features", services))
        return materialize(services.spec(self.model), result, services.ledger, services.settings)


class BuildTrainingSetOperator(ComputeOperator):
    """The training set as it could have been known at a moment: an immutable snapshot with a digest.

    Returns a reference to it, which training, its validation, the evaluation and the registration take.

    :param plan: the output of a PlanTrainingOperator, whose moment it is
    :param as_of: the moment itself (UTC, such as 2013-04-01), templated; else the run's parameter `as_of`, its event's, the end
        of its data interval, or of the newest published day
    :param withdrawn: the output of a ListWithdrawnOperator, for a spec with `training.without_withdrawn`

    **Example**: one training set a month, each as of its end ::

        built = BuildTrainingSetOperator.partial(task_id="build", model="flight_delay").expand(as_of=["2013-03-01", "2013-04-01"])
    """

    step = "training_set"
    function = "include.features.training_set_step:run"
    takes: ClassVar[Inputs] = {
        "plan": Takes("", "PlanTrainingOperator", required=False),
        "withdrawn": Takes("withdrawn", "ListWithdrawnOperator", required=False),
    }
    template_fields = ("plan", "as_of", "withdrawn")

    def __init__(
        self, *, plan: Input = None, as_of: datetime | str | None = None, withdrawn: Input = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.take(plan=plan, withdrawn=withdrawn)
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
        return training_set_request(spec, moment_of(self, context, services), services.control, withdrawn=withdrawn)


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
        return snapshot(services.settings, services.spec(self.model), moment.isoformat(), gone)


def day_of(operator: Any, name: str, ref: Ref, context: Context, services: Services) -> date:
    """The day that an input is about. Raises InputError where the operator was given another one."""
    day = date.fromisoformat(services.ledger.resolve(ref).value["day"])
    if said(operator.day) is not None and (given := partition_day(context, operator.day)) != day:
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

    if operator.given_by["plan"] or operator.plan is not None:
        return datetime.fromisoformat(operator.required("plan")["as_of"])
    return as_of(context, newest(services.control, operator.model), operator.as_of)


def refuse_two_moments(operator: Any) -> None:
    """Raises InputError for an operator that is given both a plan and a moment."""
    if operator.plan is not None and operator.as_of is not None:
        raise InputError(
            f"{operator.task_id} is given a plan and a moment: which of them is meant?",
            seen=operator.as_of,
            safe="the other DAG files are as they were.",
            hint="pass `as_of` to the PlanTrainingOperator, or leave the plan out.",
        )
