"""Tasks that watch a served model and decide whether to train again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetAlias, Context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import JsonValue

from include.core import fault
from include.core.errors import DataError
from include.core.request import Json, Ref, Request, Result
from include.services.services import Services
from include.step_values.monitoring import MonitorValue
from operators.alert import Alert, send_alert
from operators.assets import retrain_asset
from operators.base import ComputeOperator, ReconcileOperator, SlipstreamOperator
from operators.hooks import open_services
from operators.links import ReportLink, report_url
from operators.run import as_of, may_deploy, pulled
from operators.unmanaged import labels_of, newest_day, watched_rows

if TYPE_CHECKING:
    from include.core.spec import ModelSpec
    from include.versions.record import VersionRecord


IMPORT = "import"  # the kind of the result of a model that was trained elsewhere


class CollectPredictionsOperator(ComputeOperator):
    """Snapshots the window's answered requests, with the labels that have arrived by then."""

    step = "collect"
    function = "include.monitoring.collect_step:run"

    def build(self, context: Context, services: Services) -> Request:
        from datetime import timedelta

        from include.data.published import published
        from include.monitoring.collect_step import snapshot
        from include.rollout.history import withdrawn

        spec = services.spec(self.model)
        moment = as_of(context, newest_day(services, self.model))
        first = (moment - timedelta(days=spec.monitoring.window_days)).date()
        labels = published(services.control, self.model, first, moment.date())
        labels |= labels_of(context, services, self.model, (moment - timedelta(microseconds=1)).date())
        return snapshot(services.settings, spec, moment, labels, withdrawn=withdrawn(services.control, self.model))


class ProfileReferenceOperator(ComputeOperator):
    """The champion's past, profiled once for as long as it is watched: every window is then judged without its rows."""

    step = "reference"
    function = "include.monitoring.reference_step:run"

    def build(self, context: Context, services: Services) -> Request:
        spec, record = services.spec(self.model), monitored_version(services, self.model)
        rows = watched_rows(context, services, record)
        if rows.kind == IMPORT:
            raise AirflowSkipException(
                f"Version {record.version} was trained elsewhere and evaluated on no rows: it has no past yet."
            )
        params = {
            "features": spec.features.model_dump(mode="json"),
            "label": spec.label,
            "slices": list(spec.evaluation.slices),
            "monitoring": spec.monitoring.model_dump(mode="json"),
            "metric": spec.evaluation.metric,
            "threshold": spec.serving.threshold,
        }
        inputs = {"training_set": rows, "train": record.entry.lineage.train}
        return Request.of(self.step, self.function, self.model, params=params, inputs=inputs)


class MonitorModelOperator(ComputeOperator):
    """Data quality, drift and performance of the window against the champion's own past; the report."""

    step = "monitor"
    function = "include.monitoring.monitor_step:run"
    operator_extra_links = (ReportLink(),)

    def build(self, context: Context, services: Services) -> Request:
        spec, record = services.spec(self.model), monitored_version(services, self.model)
        params: dict[str, Any] = {
            "monitoring": spec.monitoring.model_dump(mode="json"),
            "features": spec.features.model_dump(mode="json"),
            "label": spec.label,
            "metric": spec.evaluation.metric,
            "threshold": spec.serving.threshold,
            "slices": list(spec.evaluation.slices),
            "champion": record.version,
            "holdout_metrics": dict(record.entry.metrics),
            "holdout_threshold": record.entry.threshold,
            "history": _history(services, spec, record.version, pulled(context, "collect")),
        }
        training_set = watched_rows(context, services, record)
        inputs = {
            "collect": pulled(context, "collect"),
            "training_set": training_set,
            **_reference(context, services, training_set),
        }
        return Request.of(self.step, self.function, self.model, params=params, inputs=inputs)

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        from include.monitoring.alarm import record

        self.links[ReportLink.kind] = report_url(result.files["report.html"].path)
        if may_deploy(context):  # a backfill raises no alarm
            record(services.control, services.spec(self.model), result)
        return super().deliver(result, context, services)


def _history(services: Services, spec: ModelSpec, champion: int, collect: Ref) -> list[dict[str, Any]]:
    """What was estimated before labels in the champion's earlier windows, and what came true."""
    from include.governance.invalidation import find
    from include.monitoring.performance.realised import history

    try:
        held = sorted(find(services.ledger, spec.name, "monitor"), key=lambda each: each.committed_at)
    except DataError:
        return []
    results = [services.ledger.result(each.key) for each in held if each.committed_at]
    # A window that was computed again replaces the one before.
    values = {result.value["window"]: _with_threshold(services, result) for result in results if result}
    start = services.ledger.resolve(collect).value["window"].split("/")[0]
    return history(values, champion, start, spec.evaluation.metric, spec.serving.threshold)


def _with_threshold(services: Services, monitored: Result) -> MonitorValue:
    """The value of a `monitor` result, with the threshold it was measured at: older results left it to their request."""
    value = monitored.read(MonitorValue)
    if "threshold" in value:
        return value
    threshold: float | None = services.ledger.request(monitored.key).params.get("threshold")
    return {**value, "threshold": threshold}


def monitored_version(services: Services, model: str) -> VersionRecord:
    record = services.champion(model)
    if record is None:
        raise AirflowSkipException(f"{model} has no version in production: there is nothing to watch.")
    return record


def _reference(context: Context, services: Services, training_set: Ref) -> dict[str, Ref]:
    """This run's reference, unless another version became the champion since: then its training set is profiled anew."""
    if context["ti"].xcom_pull(task_ids="reference") is None:
        return {}
    ref = pulled(context, "reference")
    made = services.ledger.request(services.ledger.resolve(ref).key)
    return {"reference": ref} if made.inputs.get("training_set") == training_set else {}


class CheckSkewOperator(ComputeOperator):
    """Replays logged requests through the offline path. Fails where serving and training compute a value differently.

    A backfill's finding is logged and fails nothing: no alert is sent.
    """

    step = "skew"
    function = "include.features.skew_step:run"

    def build(self, context: Context, services: Services) -> Request:
        from datetime import timedelta

        from include.data.published import newest, published
        from include.features.skew_step import first_day, snapshot
        from include.model_contract.definition import of_other_versions

        spec = services.spec(self.model)
        moment = as_of(context, newest(services.control, self.model))
        first = first_day(spec, moment - timedelta(days=spec.monitoring.window_days))
        days = published(services.control, self.model, first, moment.date())
        present = services.ledger.resolve(days[max(days)]).value.get("versions", {}) if days else {}
        others = of_other_versions(services.control, services.ledger, self.model, present)
        return snapshot(services.settings, spec, moment, days, others)

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        from include.features.skew.findings import record
        from include.features.skew_step import check

        record(services.control, self.model, result)
        if may_deploy(context):
            check(self.model, result.value)
        return super().deliver(result, context, services)


class DecideRetrainingOperator(ReconcileOperator):
    """One decision for each window, stored with its evidence. `retrain` sends one event, under the decision's key."""

    lock_timeout = 5

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(model=model, outlets=[AssetAlias(f"{model}_decided")], **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        decided = super().execute(context)
        if decided["action"] == "retrain" and may_deploy(context):  # without the lock: a slow webhook delays nobody
            alert = Alert(f"retrain/{decided['key']}", "retrain", "info", self.model, decided["words"])
            send_alert(alert, open_services().control)
        catch_up_registry(self, open_services())
        return decided

    def resource(self, context: Context) -> str:
        from include.monitoring.retraining.decision import resource

        return resource(self.model)

    def summary_lines(self, value: Mapping[str, Any]) -> Iterable[str]:
        yield f"{value['action']}: {value['words']}"
        yield f"the decision {value['key']} is {'new' if value['new'] else 'the one that was made before'}"

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.monitoring.retraining.decision import asked_for, decide_window

        result = services.ledger.resolve(pulled(context, "monitor"))
        busy = running(services, self.model)
        probe = services.ledger.resolve(pulled(context, "shadows")).value if _ran(context, "shadows") else None
        quiet = not may_deploy(context)
        decision, new = decide_window(services.control, services.spec(self.model), result, epoch, busy, probe, quiet=quiet)
        if decision.action == "retrain" and not quiet:
            asked_for(services.control, decision, epoch)
            extra: dict[str, JsonValue] = {"decision": decision.key, "as_of": decision.as_of, "words": decision.summary}
            context["outlet_events"][AssetAlias(f"{self.model}_decided")].add(retrain_asset(self.model), extra=extra)
        fault.point("decide.sent")
        return {"key": decision.key, "action": decision.action, "words": decision.summary, "new": new}


def catch_up_registry(operator: SlipstreamOperator, services: Services) -> None:
    """Have the registry show what it was not there for, or what was moved from the console; nothing where it is not behind."""
    from include.governance.mirror import catch_up

    for problem in filter(None, catch_up(services.control, services.labels, [operator.model]).values()):
        operator.log.warning("The registry's aliases are behind: %s", problem)


def _ran(context: Context, task_id: str) -> bool:
    return context["ti"].xcom_pull(task_ids=task_id) is not None


def running(services: Services, model: str) -> tuple[str, ...]:
    """What of the model is being tuned or trained right now. An attempt that was given up leaves no job, and freezes nothing;
    a backend that does not answer may still be running it."""
    from include.core.errors import UnreachableError
    from include.core.ports import JobStatus
    from include.governance.jobs import live

    found = []
    for attempt in live(services.ledger, ("tune", "train")):
        if services.ledger.request(attempt.key).model != model:
            continue
        try:
            if services.jobs().status(attempt.job) in (JobStatus.PENDING, JobStatus.RUNNING):
                found.append(f"job {attempt.job}")
        except UnreachableError:
            found.append(f"job {attempt.job}, whose backend does not answer,")
    return tuple(found)


class RotateLogOperator(SlipstreamOperator):
    """Old segments of the prediction log become Parquet. Killed at any point, the next one goes on: nothing is lost or doubled.

    The log is where the gateway's home is: a gateway of another machine rotates its own.
    """

    def execute(self, context: Context) -> Json:
        from include.prediction_log.rotation import KEEP_DAYS, rotate_days

        del context
        made = rotate_days(open_services().settings.home, self.model, KEEP_DAYS)
        self.log.info("%d Parquet files made", len(made))
        return {"files": len(made)}
