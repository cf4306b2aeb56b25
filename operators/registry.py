"""The task that registers a version, and announces it to the rollout when its gate is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow.sdk import AssetAlias, Context
from pydantic import JsonValue

from include.core import fault
from include.core.catalog import folder_of
from include.core.digest import PROJECT
from include.core.repository import Commits, commits_of
from include.services.services import Services
from operators.assets import candidate_asset
from operators.base import ReconcileOperator
from operators.links import MlflowRunLink, ReportLink, report_url
from operators.run import is_backfill, may_deploy, pulled, pulled_json

DEPLOYED = "backfill_to_deploy"  # the run type of a version whose backfill's conf says `deploy`: a candidate like any other


class RegisterModelOperator(ReconcileOperator):
    """One MLflow run and one version for each trained result, however often this runs."""

    lock_timeout = 30  # it uploads files
    operator_extra_links = (MlflowRunLink(), ReportLink())

    def __init__(self, *, model: str, **kwargs: object) -> None:
        # An alias, because the event is sent only when the gate is open and the run may deploy.
        super().__init__(model=model, outlets=[AssetAlias(f"{model}_registered")], **kwargs)

    def resource(self, context: Context) -> str:
        from include.governance.registry import resource

        return resource(self.model)

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.governance.registration import Inputs, propose
        from include.governance.registry import register

        plan = pulled_json(context, "plan")
        inputs = Inputs(pulled(context, "train"), pulled(context, "build_training_set"), pulled(context, "evaluate"))
        commits = _commits(context, self.model, services.settings.models)
        package = propose(
            services.ledger,
            services.spec(self.model),
            inputs,
            as_of=plan["as_of"],
            run_type=DEPLOYED if is_backfill(context) and may_deploy(context) else plan["run_type"],
            commit=commits.model,
            platform_commit=commits.platform,
        )
        registry = services.registry()
        record = register(services.control, registry, package, epoch)
        self.links[ReportLink.kind] = report_url(services.ledger.resolve(inputs.evaluation).files["report.html"].path)
        self.links[MlflowRunLink.kind] = registry.url(record)
        # Both: the version's verdict and this run's own, which differ for a version that had its turn before.
        if record.entry.gate.passed and package.entry.gate.passed and may_deploy(context):
            extra: dict[str, JsonValue] = {"version": record.version, "as_of": record.entry.as_of}
            context["outlet_events"][AssetAlias(f"{self.model}_registered")].add(candidate_asset(self.model), extra=extra)
            self.log.info("Its gate is open: an event asks for the rollout of version %d.", record.version)
        fault.point("register.sent")
        return {"version": record.version, "semver": record.semver, "stage": record.stage}

    def summary_lines(self, value: Mapping[str, Any]) -> Iterable[str]:
        yield f"version {value['version']} ({value['semver']}) of {self.model} is {value['stage']}"
        yield from (f"{name}: {url}" for name, url in self.links.items())


def _commits(context: Context, model: str, models: str) -> Commits:
    """Of the repository that the model is in, and of the platform's.

    Airflow's bundle says which commit its DAG file is of: the model's where the bundle holds the model's folder, the platform's
    for a model that is the platform's own.
    """
    bundle = getattr(context["ti"], "bundle_instance", None)
    version, folder = str(getattr(bundle, "version", None) or ""), folder_of(model, models)
    found = commits_of(folder)
    if not version:
        return found
    if folder is None or (folder.is_relative_to(PROJECT) and found.model == found.platform):
        return Commits(version, version)
    held = folder.is_relative_to(Path(getattr(bundle, "path", None) or PROJECT))
    return replace(found, model=version) if held else found
