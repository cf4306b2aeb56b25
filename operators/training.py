"""Tasks that decide whether and on what to train, tune, and train."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.request import Json, Request
from include.core.time import end_of_day, parse_time
from include.services.services import Services
from operators.base import ComputeOperator, SlipstreamOperator
from operators.hooks import open_services
from operators.links import JobLink
from operators.run import as_of, event_extra, event_extras, is_asset_run, pulled

NOT_OF_A_FIT = {"schedule", "window_days", "holdout_days", "minimum_rows", "without_withdrawn"}  # the training set's


class PlanTrainingOperator(SlipstreamOperator):
    """Fixes the run's as-of time and says why it trains. A scheduled run that would learn nothing new is skipped."""

    def execute(self, context: Context) -> Json:
        services = open_services()
        spec = services.spec(self.model)
        newest = _newest_day(services, self.model)
        self._consume(context, services)
        moment = as_of(context, newest)
        first = moment - timedelta(days=spec.training.window_days)
        run_type = str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type))
        if run_type == "scheduled" and not is_asset_run(context):
            self._skip_if_nothing_new(services, newest, first, moment)
        asked = event_extra(context).get("words") or _conf(context).get("words")
        usual = {"backfill": "walk-forward backtest", "scheduled": "schedule floor"}
        reason = asked or usual.get(run_type, "asked for by hand")
        plan = {"as_of": moment.isoformat(), "reason": reason, "run_type": run_type}
        self.log.info("Training as of %s: %s", moment, reason)
        return plan

    def _consume(self, context: Context, services: Services) -> None:
        """A decision is trained on by one run, whose retries and clears keep it. An event that comes twice is skipped."""
        from include.monitoring.retraining.retrainings import take

        mine, holders = context["ti"].run_id, []
        # An event brings it, or the conf of a run that the reconciler made in place of a lost event.
        for key in {str(extra["decision"]) for extra in (*event_extras(context), _conf(context)) if "decision" in extra}:
            holders.append((key, take(services.control, self.model, key, mine)))
        if holders and all(run != mine for _, run in holders):
            key, run = holders[0]
            raise AirflowSkipException(
                f"The decision {key} was trained on by the run {run}. To train again, trigger the DAG by hand."
            )

    def _skip_if_nothing_new(self, services: Services, newest: date | None, first: datetime, moment: datetime) -> None:
        if newest is None or newest < first.date():
            raise AirflowSkipException(f"No labelled rows between {first:%Y-%m-%d} and {moment:%Y-%m-%d}: nothing to train on.")
        trained = _newest_trained(services, self.model)
        if trained is not None and min(moment, end_of_day(newest)) <= trained:
            raise AirflowSkipException(f"No labelled rows newer than those of the newest version ({trained:%Y-%m-%d}).")


def _conf(context: Context) -> Mapping[str, Any]:
    return getattr(context["dag_run"], "conf", None) or {}


class TuneModelOperator(ComputeOperator):
    """Searches the spec's grid; skipped unless the run asks for it."""

    step = "tune"
    function = "include.training.tune_step:run"
    operator_extra_links = (JobLink(),)

    def execute(self, context: Context) -> Json:
        if not context["params"].get("tune"):
            raise AirflowSkipException("The run did not ask to tune (parameter `tune`).")
        return super().execute(context)

    def build(self, context: Context, services: Services) -> Request:
        return training_request(self, context, services, {})


class TrainModelOperator(ComputeOperator):
    """Trains on the snapshot, as a job: an ONNX model and its signature."""

    step = "train"
    function = "include.training.train_step:run"
    operator_extra_links = (JobLink(),)

    def build(self, context: Context, services: Services) -> Request:
        tuned = context["ti"].xcom_pull(task_ids="tune")
        chosen: dict[str, Any] = {}
        if tuned:
            from include.core.request import Ref

            chosen = dict(services.ledger.resolve(Ref.from_json(tuned)).value["params"])
        return training_request(self, context, services, chosen)


def training_request(operator: ComputeOperator, context: Context, services: Services, chosen: dict[str, Any]) -> Request:
    """A request over the training set with the spec's training section, some of its `params` replaced."""
    spec = services.spec(operator.model)
    training = spec.training.model_dump(mode="json", exclude=NOT_OF_A_FIT)
    training["params"] = {**training["params"], **chosen}
    if operator.step == "train":
        del training["search"]
    params = {"features": spec.features.model_dump(mode="json"), "training": training, "label": spec.label}
    inputs = {"training_set": pulled(context, "build_training_set")}
    return Request.of(operator.step, operator.function, operator.model, params=params, inputs=inputs, uses=(spec.training.fit,))


def _newest_day(services: Services, model: str) -> date | None:
    from include.data.published import newest

    return newest(services.control, model)


def _newest_trained(services: Services, model: str) -> datetime | None:
    from include.versions import queries as versions
    from include.versions.origin import IMPORTED

    # What one that was trained elsewhere has seen is not known here.
    records = [each for each in versions.records(services.control, model) if each.entry.origin != IMPORTED]
    return parse_time(records[-1].entry.as_of) if records else None
