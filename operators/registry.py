"""The task that registers a version, and announces it to the rollout when its gate is open."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import AssetAlias, Context
from pydantic import JsonValue

from include.core import fault
from include.core.digest import PROJECT
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
        package = propose(
            services.ledger,
            services.spec(self.model),
            inputs,
            as_of=plan["as_of"],
            run_type=DEPLOYED if is_backfill(context) and may_deploy(context) else plan["run_type"],
            commit=_commit(context),
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


def _commit(context: Context, folder: Path = PROJECT) -> str:
    """The bundle's commit where Airflow knows one, else the working tree's: `-dirty` where code differs from it.

    Code that git does not know yet counts as a difference: a model's folder that was never added is in no commit.
    Empty where there is no repository, or no git.
    """
    bundle = getattr(context["ti"], "bundle_instance", None)
    if version := getattr(bundle, "version", None):
        return str(version)
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return ""
    changed = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", ".")
    return f"{head}-dirty" if changed else head


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):  # an image without git, a working tree that does not answer
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
