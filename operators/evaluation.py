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
        spec = services.spec(self.model)
        params = {
            "features": spec.features.model_dump(mode="json"),
            "evaluation": spec.evaluation.model_dump(mode="json"),
            "label": spec.label,
            "threshold": spec.serving.threshold,
        }
        inputs = {"training_set": pulled(context, "build_training_set"), "train": pulled(context, "train")}
        if not is_backfill(context):
            record = services.champion(self.model)
            if record is not None and record.entry.lineage.train.digest != inputs["train"].digest:
                inputs["champion"] = record.entry.lineage.train
        request = Request.of(self.step, self.function, self.model, params=params, inputs=inputs)
        return request if wants_fresh(context) else self._measured_again(request, services)

    def _measured_again(self, request: Request, services: Services) -> Request:
        """The request itself; where the latency alone closed its gate, one that measures it again, and nothing else.

        Each run of the task measures once more until the gate opens, and that measurement stands.
        """
        from include.core.spec import Evaluation
        from include.evaluation.gate import closed_by_latency_alone

        spec, latest, number = Evaluation(**request.params["evaluation"]), request, 0
        while (known := services.ledger.result(latest.key)) and closed_by_latency_alone(known.value, spec):
            number += 1
            inputs = {name: request.inputs[name] for name in ("training_set", "train")}
            inputs["evaluation"] = services.ledger.ref(known)
            params = {**request.params, "measurement": number}
            latest = Request.of(self.step, "include.evaluation.measure_again_step:run", self.model, params=params, inputs=inputs)
        if number:
            self.log.info("The latency alone closed the gate: it is measured again (%d).", number)
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
