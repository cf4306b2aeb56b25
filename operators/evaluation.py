"""Tasks that measure a trained model and decide whether it may go on."""

from __future__ import annotations

from airflow.sdk import Context

from include.core.request import Json, Request, Result
from include.services.services import Services
from include.step_values.evaluation import EvaluateValue, GateValue
from operators.base import ComputeOperator, SlipstreamOperator
from operators.hooks import open_services
from operators.links import ReportLink, report_url
from operators.run import is_backfill, pulled, wants_fresh


class EvaluateModelOperator(ComputeOperator):
    """Metrics, slices, baselines, latency and size on the fixed holdout; the champion on the same rows.

    A backfill compares with nothing: what is served today did not exist on its dates.
    """

    step = "evaluate"
    function = "include.evaluation.evaluate_step:run"
    operator_extra_links = (ReportLink(),)

    def build(self, context: Context, services: Services) -> Request:
        from include.evaluation.request import evaluate_request, measured_again

        record = None if is_backfill(context) else services.champion(self.model)
        champion = record.entry.lineage.train if record is not None else None
        training_set, train = pulled(context, "build_training_set"), pulled(context, "train")
        request = evaluate_request(services.spec(self.model), training_set, train, champion)
        if wants_fresh(context):
            return request
        latest = measured_again(request, services.ledger)
        if latest is not request:
            self.log.info("The latency alone closed the gate: it is measured again (%d).", latest.params["measurement"])
        return latest

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        self.links[ReportLink.kind] = report_url(result.files["report.html"].path)
        return super().deliver(result, context, services)


class CheckGateOperator(SlipstreamOperator):
    """Reads the evaluation's gate. Closed: the version is registered for the record and goes no further."""

    def execute(self, context: Context) -> GateValue:
        from include.metrics.gate_words import asked_of, notes, reasons

        services = open_services()
        evaluated = services.ledger.resolve(pulled(context, "evaluate"))
        asked = asked_of(services.ledger.request(evaluated.key).params, services.spec(self.model).evaluation)
        value = evaluated.read(EvaluateValue)
        gate = value["gate"]
        for warning in value.get("warnings", ()):
            self.log.warning("%s", warning)
        for note in notes(value, asked):
            self.log.warning("%s", note)
        for reason in reasons(value, asked) or ("every condition holds",):
            self.log.info("gate %s: %s", "open" if gate["passed"] else "closed", reason)
        return gate
