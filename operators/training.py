"""Tasks that decide whether and on what to train, tune, and train."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.needs import Needs
from include.core.partition import Partition
from include.core.request import Json, Ref, Request, Result
from include.core.time import parse_time
from include.services.services import Services
from operators.base import ComputeOperator, SlipstreamOperator
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.links import JobLink, ReportLink, report_url
from operators.resources import spec_of_run
from operators.run import as_of, event_extra, event_extras, is_asset_run, is_backfill, run_type

if TYPE_CHECKING:
    from include.core.spec import ModelSpec


class PlanTrainingOperator(SlipstreamOperator):
    """Fixes the run's as-of time and says why it trains. A scheduled run that would learn nothing new is skipped.

    Returns {"as_of", "reason", "run_type"}, which BuildTrainingSetOperator takes. A run that a retraining decision has started
    takes that decision: no other run trains on it.

    :param as_of: the moment (UTC, such as 2013-04-01), templated; else the run's parameter `as_of`, its event's, the end of its
        data interval, or of the newest published day

    **Example** ::

        planned = PlanTrainingOperator(task_id="plan", model="flight_delay", as_of="{{ data_interval_end }}")
    """

    template_fields = ("as_of",)

    def __init__(self, *, as_of: datetime | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.as_of = as_of

    def execute(self, context: Context) -> Json:
        services = open_services()
        spec = spec_of_run(context, services, self.model)  # what is wrong in `resources` is refused before anything is made
        newest = _newest_day(services, self.model)
        self._consume(context, services)
        moment = as_of(context, newest, self.as_of)
        first = moment - timedelta(days=spec.training.window_days)
        kind = run_type(context)
        if kind == "scheduled" and not is_asset_run(context):
            self._skip_if_nothing_new(services, newest, first, moment)
        asked = event_extra(context).get("words") or _conf(context).get("words")
        usual = {"backfill": "walk-forward backtest", "scheduled": "schedule floor"}
        reason = asked or usual.get(kind, "asked for by hand")
        plan = {"as_of": moment.isoformat(), "reason": reason, "run_type": kind}
        self.log.info("Training as of %s: %s", moment, reason)
        return plan

    def _consume(self, context: Context, services: Services) -> None:
        """A decision is trained on by one run, whose retries and clears keep it. An event that comes twice is skipped."""
        from include.monitoring.retraining.retrainings import named, take

        mine, holders = named(context["ti"].dag_id, context["ti"].run_id, self.model), []
        # An event brings it, or the conf of a run that the reconciler made in place of a lost event.
        for key in {str(extra["decision"]) for extra in (*event_extras(context), _conf(context)) if "decision" in extra}:
            holders.append((key, take(services.control, self.model, key, mine)))
        if holders and all(run != mine for _, run in holders):
            key, run = holders[0]
            raise AirflowSkipException(
                f"The decision {key} was trained on by the run {run}. To train again, trigger the DAG by hand."
            )

    def _skip_if_nothing_new(self, services: Services, newest: Partition | None, first: datetime, moment: datetime) -> None:
        if newest is None or newest.end <= first:
            raise AirflowSkipException(f"No labelled rows between {first:%Y-%m-%d} and {moment:%Y-%m-%d}: nothing to train on.")
        trained = _newest_trained(services, self.model)
        if trained is not None and min(moment, newest.end) <= trained:
            raise AirflowSkipException(f"No labelled rows newer than those of the newest version ({trained:%Y-%m-%d}).")


def _conf(context: Context) -> Mapping[str, Any]:
    return getattr(context["dag_run"], "conf", None) or {}


class TuneModelOperator(ComputeOperator):
    """Searches for parameters as `training.search` says; skipped unless the run asks for it. One that was killed goes on.

    Returns a reference to the search's result, which TrainModelOperator takes.

    :param training_set: the output of a BuildTrainingSetOperator
    :param enabled: whether to search; by default as the run's parameter `tune` says
    :param where, pool, queue: as of TrainModelOperator

    **Example** ::

        tuned = TuneModelOperator(task_id="tune", model="flight_delay", training_set=built.output, enabled=True, where="job")
    """

    step = "tune"
    function = "include.training.tune_step:run"
    operator_extra_links = (JobLink(), ReportLink())
    takes: ClassVar[Inputs] = {"training_set": Takes("training_set", "BuildTrainingSetOperator")}
    template_fields = ("training_set",)

    def __init__(self, *, training_set: Input = None, enabled: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(training_set=training_set)
        self.enabled = enabled

    def execute(self, context: Context) -> Json:
        if not (context["params"].get("tune") if self.enabled is None else self.enabled):
            raise AirflowSkipException("The run did not ask to tune (parameter `tune`).")
        return super().execute(context)

    def build(self, context: Context, services: Services) -> Request:
        from include.training.request import tune_request

        return tune_request(spec_of_run(context, services, self.model), self.ref("training_set", services))

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        if "report.html" in result.files:  # an earlier release wrote none
            self.links[ReportLink.kind] = report_url(result.files["report.html"].path)
        return super().deliver(result, context, services)

    def machine(self, context: Context, services: Services) -> Needs:
        from include.training.run_resources import needs_of_search

        return needs_of_search(spec_of_run(context, services, self.model))


class TrainModelOperator(ComputeOperator):
    """Trains on the snapshot: an ONNX model and its signature.

    Returns a reference to the trained result, which EvaluateModelOperator and RegisterModelOperator take.

    :param training_set: the output of a BuildTrainingSetOperator
    :param tuned: the output of a TuneModelOperator; where it was skipped, the spec's own parameters are used. A task that is to
        run then needs `trigger_rule="none_failed_min_one_success"`
    :param cold: whether to begin cold where the spec asks for warm starts (`training.warm_start`): the twin that
        ChooseFitOperator compares with. A backfill always begins cold: what is served today did not exist on its dates
    :param where: "job" submits the fit to the job backend, with the workers that the spec asks for (`training.workers`);
        "process" fits in the task itself
    :param pool, queue: of Airflow: what is scarce where the task runs

    **Example** ::

        trained = TrainModelOperator(
            task_id="fit", model="flight_delay", training_set=built.output, where="job", pool="ray"
        )
    """

    step = "train"
    function = "include.training.train_step:run"
    operator_extra_links = (JobLink(),)
    takes: ClassVar[Inputs] = {
        "training_set": Takes("training_set", "BuildTrainingSetOperator"),
        "tuned": Takes("tune", "TuneModelOperator", required=False),
    }
    template_fields = ("training_set", "tuned")

    def __init__(self, *, training_set: Input = None, tuned: Input = None, cold: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(training_set=training_set, tuned=tuned)
        self.cold = cold

    def build(self, context: Context, services: Services) -> Request:
        from include.training.request import train_request

        training_set, tuned = self.ref("training_set", services), self.ref_or_none("tuned", services)
        chosen = None
        if tuned is not None:
            found = services.ledger.resolve(tuned)
            self.agree("tuned", services.ledger.request(found.key), "training_set", training_set)
            chosen = found.value["params"]
        spec = spec_of_run(context, services, self.model)
        return train_request(spec, training_set, chosen, self._champion(spec, context, services))

    def _generation(self, request: Request, context: Context, services: Services) -> int:
        """Skipped where the version that this very training made was given up: nothing is trained to make it a second time."""
        from include.core.given_up import given_up_of

        newest = services.ledger.generation(request.key)
        mark = None if self.wants_fresh(context) else given_up_of(services.storage, request.key, newest)
        if mark is not None:
            raise AirflowSkipException(
                f"This training made version {mark.version} of {mark.model}, which was {mark.words}. It is not trained again, "
                f"and no version is made: its record and its numbers are kept (slipstream versions {mark.model}, slipstream "
                f"backtest {mark.model}). For a new version train as of another moment; with the parameter fresh this one is "
                "trained anew."
            )
        return super()._generation(request, context, services)

    def _champion(self, spec: ModelSpec, context: Context, services: Services) -> Ref | None:
        """What to begin from."""
        from include.training.warm_start import cold_because

        if not spec.training.warm_start or self.cold or is_backfill(context):
            return None
        record = services.champion(self.model)
        if record is None:
            self.log.info("Begins cold: there is no version in production yet.")
            return None
        champion = record.entry.lineage.train
        if why := cold_because(spec, champion, services.ledger):
            self.log.warning("Begins cold: %s.", why)
            return None
        self.log.info("Begins from the weights of version %d, %s.", record.version, champion.uri)
        return champion

    def machine(self, context: Context, services: Services) -> Needs:
        from include.training.run_resources import needs_of

        return needs_of(spec_of_run(context, services, self.model))


class ChooseFitOperator(SlipstreamOperator):
    """Of a fit that began from the champion's weights and its cold twin: the better one on the validation rows.

    Returns the reference to that trained result, which EvaluateModelOperator and RegisterModelOperator take as any other.

    :param trained: the output of a TrainModelOperator
    :param cold: the output of a TrainModelOperator with `cold=True`, on the same training set

    **Example** ::

        chosen = ChooseFitOperator(task_id="choose", model="flight_delay", trained=trained.output, cold=twin.output)
    """

    takes: ClassVar[Inputs] = {
        "trained": Takes("train", "TrainModelOperator"),
        "cold": Takes("train", "TrainModelOperator"),
    }
    template_fields = ("trained", "cold")

    def __init__(self, *, trained: Input = None, cold: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(trained=trained, cold=cold)

    def execute(self, context: Context) -> Json:
        from include.training.choose import choose

        services = open_services()
        trained, cold = self.ref("trained", services), self.ref("cold", services)
        warm, twin = (services.ledger.resolve(ref) for ref in (trained, cold))
        made = services.ledger.request(twin.key).inputs["training_set"]
        self.agree("trained", services.ledger.request(warm.key), "training_set", made)
        choice = choose(spec_of_run(context, services, self.model), warm, twin)
        self.log.info("%s: %s", "The warm start" if choice.warm else "The cold fit", choice.why)
        return (trained if choice.warm else cold).to_json()


def _newest_day(services: Services, model: str) -> Partition | None:
    from include.data.published import newest

    return newest(services.control, model)


def _newest_trained(services: Services, model: str) -> datetime | None:
    from include.versions import queries as versions
    from include.versions.origin import IMPORTED

    # What one that was trained elsewhere has seen is not known here.
    records = [each for each in versions.records(services.control, model) if each.entry.origin != IMPORTED]
    return parse_time(records[-1].entry.as_of) if records else None
