"""Tasks that measure a trained model and decide whether it may go on."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.sdk import Context

from include.core.request import Json, Request, Result
from include.services.services import Services
from include.step_values.evaluation import EvaluateValue, GateValue
from operators.base import ComputeOperator, SlipstreamOperator
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.links import ReportLink, report_url
from operators.run import is_backfill


class EvaluateModelOperator(ComputeOperator):
    """Metrics, slices, baselines, latency and size on the fixed holdout; the champion on the same rows.

    A backfill compares with nothing: what is served today did not exist on its dates. Returns a reference to the evaluation,
    which CheckGateOperator and RegisterModelOperator take.

    :param training_set: the output of a BuildTrainingSetOperator: the one that `trained` was trained on
    :param trained: the output of a TrainModelOperator
    :param cold: of a fit that began from the champion's weights its cold twin, which the gate compares it with

    **Example** ::

        evaluated = EvaluateModelOperator(
            task_id="measure", model="flight_delay", training_set=built.output, trained=trained.output
        )
    """

    step = "evaluate"
    function = "include.evaluation.evaluate_step:run"
    operator_extra_links = (ReportLink(),)
    takes: ClassVar[Inputs] = {
        "training_set": Takes("training_set", "BuildTrainingSetOperator"),
        "trained": Takes("train", "TrainModelOperator"),
        "cold": Takes("train", "TrainModelOperator", required=False),
    }
    template_fields = ("training_set", "trained", "cold")

    def __init__(self, *, training_set: Input = None, trained: Input = None, cold: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(training_set=training_set, trained=trained, cold=cold)

    def build(self, context: Context, services: Services) -> Request:
        from include.evaluation.request import evaluate_request, measured_again

        record = None if is_backfill(context) else services.champion(self.model)
        champion = record.entry.lineage.train if record is not None else None
        training_set, trained = self.ref("training_set", services), self.ref("trained", services)
        made = services.ledger.request(services.ledger.resolve(trained).key)
        self.agree("trained", made, "training_set", training_set)  # else its holdout may hold what it was trained on
        cold = self.ref_or_none("cold", services)
        if cold is not None:
            self.agree("cold", services.ledger.request(services.ledger.resolve(cold).key), "training_set", training_set)
        request = evaluate_request(services.spec(self.model), training_set, trained, champion, cold)
        if self.wants_fresh(context):
            return request
        latest = measured_again(request, services.ledger)
        if latest is not request:
            self.log.info("The latency alone closed the gate: it is measured again (%d).", latest.params["measurement"])
        return latest

    def deliver(self, result: Result, context: Context, services: Services) -> Json:
        self.links[ReportLink.kind] = report_url(result.files["report.html"].path)
        return super().deliver(result, context, services)


class CheckGateOperator(SlipstreamOperator):
    """Reads the evaluation's gate. Closed: the version is registered for the record and goes no further.

    Returns {"passed", "reasons"}.

    :param evaluation: the output of an EvaluateModelOperator

    **Example** ::

        gate = CheckGateOperator(task_id="gate", model="flight_delay", evaluation=evaluated.output)
    """

    takes: ClassVar[Inputs] = {"evaluation": Takes("evaluate", "EvaluateModelOperator")}
    template_fields = ("evaluation",)

    def __init__(self, *, evaluation: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(evaluation=evaluation)

    def execute(self, context: Context) -> GateValue:
        from include.problems.gate_words import asked_of, notes, reasons

        services = open_services()
        evaluated = services.ledger.resolve(self.ref("evaluation", services))
        asked = asked_of(services.ledger.request(evaluated.key).params, services.spec(self.model).evaluation)
        value = evaluated.read(EvaluateValue)
        gate = value["gate"]
        for warning in value.get("warnings", ()):
            self.log.warning("%s", warning)
        for note in notes(value, asked):
            self.log.warning("%s", note)
        if words := _thousand(services, self.model, value):
            self.log.info("%s", words)
        for reason in reasons(value, asked) or ("every condition holds",):
            self.log.info("gate %s: %s", "open" if gate["passed"] else "closed", reason)
        return gate


def _thousand(services: Services, model: str, value: EvaluateValue) -> str:
    """What a thousand predictions take and cost, beside the latency that the gate has judged; empty where nobody timed them."""
    from include.core.errors import SpecError
    from include.costs.prices import HOUR, Prices, shown
    from include.costs.version import thousand_of

    seconds = thousand_of(value)
    if seconds is None:
        return ""
    try:
        prices = Prices.of(services.spec(model).cost, services.settings.environ or None)
    except SpecError as error:
        return f"1,000 predictions take {seconds:.3g} s of one CPU; what that costs is unknown: {error.what}"
    money = None if prices.cpu_hour is None else seconds / HOUR * prices.cpu_hour
    return f"1,000 predictions take {seconds:.3g} s of one CPU, which costs {shown(money, prices)}"
