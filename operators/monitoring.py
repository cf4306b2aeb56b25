"""Tasks that watch a served model and decide whether to train again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset, AssetAlias, Context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import JsonValue

from include.core import fault
from include.core.errors import DataError, SpecError
from include.core.request import Json, Ref, Request, Result
from include.services.services import Services
from include.step_values.monitoring import MonitorValue
from operators.alert import Alert, send_alert
from operators.assets import retrain_asset, with_outlet
from operators.base import ComputeOperator, ReconcileOperator, SlipstreamOperator
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes, require_feedback
from operators.links import ReportLink, report_url
from operators.run import as_of, event_extras, may_deploy
from operators.unmanaged import newest_day, watched_rows

if TYPE_CHECKING:
    from include.core.spec import ModelSpec
    from include.versions.record import VersionRecord


IMPORT = "import"  # the kind of the result of a model that was trained elsewhere


class CollectPredictionsOperator(ComputeOperator):
    """Snapshots the window's answered requests, with the labels that have arrived by then.

    Returns a reference to the snapshot, which MonitorModelOperator takes.

    :param as_of: the window's end (UTC), templated; else the run's parameter `as_of`, its event's, the end of its data interval,
        or of the newest published day
    :param labels: the output of a CollectFeedbackOperator, for a model that publishes no labels, or whose spec says that those
        which callers send are used as well (`serving.feedback`)

    **Example** ::

        collected = CollectPredictionsOperator(task_id="collect", model="flight_delay", as_of="{{ data_interval_end }}")
    """

    step = "collect"
    function = "include.monitoring.collect_step:run"
    takes: ClassVar[Inputs] = {"labels": Takes("labels", "CollectFeedbackOperator", required=False)}
    template_fields = ("as_of", "labels")

    def __init__(self, *, as_of: datetime | str | None = None, labels: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.as_of = as_of
        self.take(labels=labels)

    def build(self, context: Context, services: Services) -> Request:
        from include.monitoring.request import collect_request
        from include.prediction_log.watermarks import behind
        from include.rollout.history import withdrawn

        moment, gone = as_of(context, newest_day(services, self.model), self.as_of), withdrawn(services.control, self.model)
        spec, feedback = services.spec(self.model), self.ref_or_none("labels", services)
        require_feedback(self, spec, feedback, "monitoring", "labels")
        for each in behind(services.prediction_log, moment - timedelta(days=spec.monitoring.window_days), moment):
            self.log.warning("The window may lack requests: %s", each.words)
        return collect_request(spec, moment, services.control, services.prediction_log, gone, feedback)


class ProfileReferenceOperator(ComputeOperator):
    """The champion's past, profiled once for as long as it is watched: every window is then judged without its rows.

    :param past: the output of a GatherPastOperator, for a champion that has no rows of ours

    **Example** ::

        reference = ProfileReferenceOperator(task_id="reference", model="flight_delay")
    """

    step = "reference"
    function = "include.monitoring.reference_step:run"

    takes: ClassVar[Inputs] = {"past": Takes("past", "GatherPastOperator", required=False)}
    template_fields = ("past",)

    def __init__(self, *, past: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(past=past)

    def build(self, context: Context, services: Services) -> Request:
        from include.monitoring.request import reference_request

        record = monitored_version(services, self.model)
        rows = watched_rows(services, record, self.ref_or_none("past", services))
        if rows.kind == IMPORT:
            raise AirflowSkipException(
                f"Version {record.version} was trained elsewhere and evaluated on no rows: it has no past yet."
            )
        return reference_request(services.spec(self.model), rows, record.entry.lineage.train)


class MonitorModelOperator(ComputeOperator):
    """Data quality, drift and performance of the window against the champion's own past; the report.

    Returns a reference to what was found, which DecideRetrainingOperator takes.

    :param collected: the output of a CollectPredictionsOperator
    :param reference: the output of a ProfileReferenceOperator; without it the champion's training set is profiled anew
    :param past: the output of a GatherPastOperator, for a champion that has no rows of ours

    **Example** ::

        monitored = MonitorModelOperator(
            task_id="judge", model="flight_delay", collected=collected.output, reference=reference.output
        )
    """

    step = "monitor"
    function = "include.monitoring.monitor_step:run"
    operator_extra_links = (ReportLink(),)
    takes: ClassVar[Inputs] = {
        "collected": Takes("collect", "CollectPredictionsOperator"),
        "reference": Takes("reference", "ProfileReferenceOperator", required=False),
        "past": Takes("past", "GatherPastOperator", required=False),
    }
    template_fields = ("collected", "reference", "past")

    def __init__(self, *, collected: Input = None, reference: Input = None, past: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(collected=collected, reference=reference, past=past)

    def build(self, context: Context, services: Services) -> Request:
        from include.monitoring.request import monitor_request

        spec, record = services.spec(self.model), monitored_version(services, self.model)
        collect = self.ref("collected", services)
        history, missed = _history(services, spec, record.version, collect)
        rows = watched_rows(services, record, self.ref_or_none("past", services))
        given = _reference(self.ref_or_none("reference", services), services, rows)
        return monitor_request(spec, collect, record, history, given, rows, missed)

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        from include.monitoring.alarm import record
        from include.monitoring.windows import keep

        self.links[ReportLink.kind] = report_url(result.files["report.html"].path)
        keep(services.control, services.spec(self.model), result)
        if may_deploy(context):  # a backfill raises no alarm
            record(services.control, services.spec(self.model), result)
        return super().deliver(result, context, services)


def _history(services: Services, spec: ModelSpec, champion: int, collect: Ref) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """What was estimated before labels in the champion's earlier windows, and what came true; and the limits of fairness that
    each of them has shown to be missed."""
    from include.governance.invalidation import find
    from include.monitoring.fairness import before
    from include.monitoring.performance.realised import history
    from include.monitoring.performance.terms import terms_of

    try:
        held = sorted(find(services.ledger, spec.name, "monitor"), key=lambda each: each.committed_at)
    except DataError:
        return [], []
    results = [services.ledger.result(each.key) for each in held if each.committed_at]
    # A window that was computed again replaces the one before.
    values = {result.value["window"]: _with_threshold(services, result) for result in results if result}
    start = services.ledger.resolve(collect).value["window"].split("/")[0]
    return history(values, champion, start, terms_of(spec)), before(values, champion, start)


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


def _reference(ref: Ref | None, services: Services, rows: Ref) -> Ref | None:
    """This run's reference, unless another version became the champion since: then its own past is profiled anew."""
    if ref is None:
        return None
    made = services.ledger.request(services.ledger.resolve(ref).key)
    return ref if made.inputs.get("training_set") == rows else None


class CheckSkewOperator(ComputeOperator):
    """Replays logged requests through the offline path. Fails where serving and training compute a value differently.

    A backfill's finding is logged and fails nothing: no alert is sent.

    :param as_of: the window's end (UTC), as of CollectPredictionsOperator

    **Example** ::

        CheckSkewOperator(task_id="skew", model="flight_delay")
    """

    step = "skew"
    function = "include.features.skew_step:run"
    template_fields = ("as_of",)

    def __init__(self, *, as_of: datetime | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.as_of = as_of

    def build(self, context: Context, services: Services) -> Request:
        from include.data.published import newest
        from include.features.request import skew_request

        moment = as_of(context, newest(services.control, self.model), self.as_of)
        return skew_request(services.spec(self.model), moment, services.control, services.ledger, services.prediction_log)

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        from include.features.skew.findings import record
        from include.features.skew_step import check

        record(services.control, self.model, result)
        if may_deploy(context):
            check(self.model, result.value)
        return super().deliver(result, context, services)


class DecideRetrainingOperator(ReconcileOperator):
    """One decision for each window, stored with its evidence. `retrain` sends one event, under the decision's key.

    Returns {"key", "action", "words", "new"}.

    :param monitored: the output of a MonitorModelOperator
    :param probes: the output of a TrainStalenessProbesOperator, for a model whose retraining has a price

    **Example** ::

        decided = DecideRetrainingOperator(task_id="decide", model="flight_delay", monitored=monitored.output)
    """

    lock_timeout = 5
    takes: ClassVar[Inputs] = {
        "monitored": Takes("monitor", "MonitorModelOperator"),
        "probes": Takes("shadows", "TrainStalenessProbesOperator", required=False),
    }
    template_fields = ("monitored", "probes")

    def __init__(self, *, model: str, monitored: Input = None, probes: Input = None, **kwargs: Any) -> None:
        super().__init__(**with_outlet(AssetAlias(f"{model}_decided"), kwargs), model=model)
        self.take(monitored=monitored, probes=probes)

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

        result = services.ledger.resolve(self.ref("monitored", services))
        busy = running(services, self.model)
        probes = self.ref_or_none("probes", services)
        probe = services.ledger.resolve(probes).value if probes is not None else None
        quiet = not may_deploy(context)
        spec = services.spec(self.model)
        money = _money(services, spec, result)
        decision, new = decide_window(services.control, spec, result, epoch, busy, probe, money=money, quiet=quiet)
        if decision.action == "retrain" and not quiet:
            asked_for(services.control, decision, epoch)
            extra: dict[str, JsonValue] = {"decision": decision.key, "as_of": decision.as_of, "words": decision.summary}
            context["outlet_events"][AssetAlias(f"{self.model}_decided")].add(retrain_asset(self.model), extra=extra)
        self._send_on(decision.key, context, services)
        fault.point("decide.sent")
        return {"key": decision.key, "action": decision.action, "words": decision.summary, "new": new}

    def _send_on(self, key: str, context: Context, services: Services) -> None:
        """Airflow makes one run of events that wait together, and a run judges one window: the others are asked for again."""
        from operators.pending_events import asked_together

        sent, window = context["outlet_events"][AssetAlias(f"{self.model}_decided")], Asset(f"{self.model}_window")
        for end in asked_together(event_extras(context), services.spec(self.model), services.control, key):
            self.log.info("The window that ends at %s was asked for together with this one: it is asked for again.", end)
            sent.add(window, extra={"as_of": end})


def _money(services: Services, spec: ModelSpec, monitored: Result) -> dict[str, Any]:
    """What a retrain and the window's errors cost; nothing where the spec gives an error no price."""
    if spec.cost.error is None:
        return {}
    from include.monitoring.retraining.money import facts_of

    record, rows = services.champion(spec.name), monitored.read(MonitorValue)["collected"]["rows"]
    try:
        return facts_of(spec, None if record is None else services.cost(record), rows)
    except SpecError as error:  # a setting that is no price: the other reasons are looked at all the same
        return {**facts_of(spec, None, rows), "why": error.what}


def catch_up_registry(operator: SlipstreamOperator, services: Services) -> None:
    """Have the registry show what it was not there for, or what was moved from the console; nothing where it is not behind."""
    from include.governance.mirror import catch_up

    for problem in filter(None, catch_up(services.control, services.labels, [operator.model]).values()):
        operator.log.warning("The registry's aliases are behind: %s", problem)


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
    """What gateways that are gone have left of the prediction log: lines on this machine's disk are shipped to the storage root,
    and chunks there that are a day old become Parquet. Killed at any point, the next one goes on: nothing is lost or doubled.

    A living gateway's agent does both by itself, and sooner.

    **Example** ::

        RotateLogOperator(task_id="rotate", model="flight_delay", trigger_rule="all_done")
    """

    def execute(self, context: Context) -> Json:
        from include.prediction_log.compaction import LEFT, compact
        from include.prediction_log.shipping import ship_what_is_left

        del context
        services = open_services()
        ship_what_is_left(services.prediction_log, services.settings.environ)
        made = compact(services.prediction_log, self.model, LEFT)
        self.log.info("%d Parquet files made", len(made))
        return {"files": len(made)}
