"""The task that registers a version, and tells the rollout when its gate is open."""

from __future__ import annotations

from airflow.sdk import AssetAlias, Context

from include.core.request import Json
from operators.assets import candidate_asset
from operators.base import ReconcileOperator
from operators.hooks import Services
from operators.links import MlflowRunLink, ReportLink, report_url
from operators.run import is_backfill, may_deploy, pulled, pulled_json


class RegisterModelOperator(ReconcileOperator):
    """One MLflow run and one version for each trained result, however often this runs."""

    operator_extra_links = (MlflowRunLink(), ReportLink())

    def __init__(self, *, model: str, **kwargs: object) -> None:
        # An alias, because the event is sent only when the gate is open and the run may deploy.
        super().__init__(model=model, outlets=[AssetAlias(f"{model}_registered")], **kwargs)

    def resource(self, context: Context) -> str:
        return f"registry/{self.model}"

    def reconcile(self, context: Context, services: Services, epoch: int) -> Json:
        from include.governance.registry import register
        from include.governance.registration import Registration

        spec, plan = services.spec(self.model), pulled_json(context, "plan")
        registration = Registration.of(
            spec,
            services.ledger,
            train=pulled(context, "train"),
            training_set=pulled(context, "build_training_set"),
            evaluation=pulled(context, "evaluate"),
            as_of=plan["as_of"],
            reason=plan["reason"],
            backfill=is_backfill(context),
        )
        record = register(services.control, services.registry(), registration, epoch)
        self.links[ReportLink.kind] = report_url(services.ledger.resolve(record.evaluation).files["report.html"].path)
        self.links[MlflowRunLink.kind] = services.registry().run_url(record)
        if record.gate["passed"] and may_deploy(context):
            alias = AssetAlias(f"{self.model}_registered")
            context["outlet_events"][alias].add(candidate_asset(self.model), extra={"version": record.version, "as_of": record.as_of})
        return {"version": record.version, "semver": record.semver, "stage": record.stage}
