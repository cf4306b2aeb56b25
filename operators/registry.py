"""The task that registers a version, and announces it to the rollout when its gate is open."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetAlias, Context
from pydantic import JsonValue

from include.core import fault
from include.core.digest import PROJECT
from include.services.services import Services
from operators.assets import candidate_asset
from operators.base import ReconcileOperator
from operators.foreign import Foreign
from operators.hooks import open_services
from operators.links import MlflowRunLink, ReportLink, report_url
from operators.run import is_backfill, may_deploy, pulled, pulled_json

if TYPE_CHECKING:
    from include.governance.package import Package

DEPLOYED = "backfill_to_deploy"  # the run type of a version whose backfill's conf says `deploy`: a candidate like any other


class RegisterModelOperator(ReconcileOperator):
    """One MLflow run and one version for each trained result, however often this runs.

    With `model_uri` a model that was trained elsewhere (docs/handover.md): it is evaluated here, on the holdout of
    `training_set`, or of the training set as of `as_of`, and registered like any other.

        RegisterModelOperator(task_id="take_in", model="flight_delay", model_uri="models:/late_flights/3",
                              as_of="{{ data_interval_end }}", trained_until="2013-03-01")

    :param model_uri: a path, s3://bucket/key, models:/name/3, models:/name@alias or runs:/RUN/model
    :param trained_until: the newest row that it was trained on; the gate stays closed while nobody has said
    :param categories: by feature the values that its codes stand for; by default those of the training set
    :param evaluate: False registers it without: its gate is closed then
    """

    lock_timeout = 30  # it uploads files
    operator_extra_links = (MlflowRunLink(), ReportLink())

    template_fields = ("model_uri", "as_of", "trained_until", "training_set", "categories")

    def __init__(
        self,
        *,
        model: str,
        model_uri: str | None = None,
        as_of: str | None = None,
        trained_until: str | None = None,
        training_set: Any = None,
        categories: Mapping[str, Sequence[str]] | None = None,
        evaluate: bool = True,
        **kwargs: object,
    ) -> None:
        # An alias, because the event is sent only when the gate is open and the run may deploy.
        super().__init__(model=model, outlets=[AssetAlias(f"{model}_registered")], **kwargs)
        self.model_uri, self.as_of, self.trained_until = model_uri, as_of, trained_until
        self.training_set, self.categories, self.evaluate = training_set, categories, evaluate
        self._foreign: Package | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        if self.model_uri is not None:
            given = (self.model_uri, self.as_of, self.trained_until, self.training_set, self.categories, self.evaluate)
            run_type = "" if may_deploy(context) else "backfill"
            services, commit = open_services(), _commit(context)
            self._foreign = Foreign(*given).prepare(self.model, context, services, run_type=run_type, commit=commit)
        return super().execute(context)

    def resource(self, context: Context) -> str:
        from include.governance.registry import resource

        return resource(self.model)

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.governance.registry import register

        package = self._foreign or self._trained(context, services)
        registry = services.registry()
        record = register(services.control, registry, package, epoch)
        evaluation = services.ledger.resolve(package.entry.lineage.evaluation)
        self.links[ReportLink.kind] = report_url(evaluation.files["report.html"].path)
        self.links[MlflowRunLink.kind] = registry.url(record)
        # Both: the version's verdict and this run's own, which differ for a version that had its turn before.
        if record.entry.gate.passed and package.entry.gate.passed and may_deploy(context):
            extra: dict[str, JsonValue] = {"version": record.version, "as_of": record.entry.as_of}
            context["outlet_events"][AssetAlias(f"{self.model}_registered")].add(candidate_asset(self.model), extra=extra)
            self.log.info("Its gate is open: an event asks for the rollout of version %d.", record.version)
        fault.point("register.sent")
        return {"version": record.version, "semver": record.semver, "stage": record.stage}

    def _trained(self, context: Context, services: Services) -> Package:
        """The version that this run has trained."""
        from include.governance.registration import Inputs, propose

        plan = pulled_json(context, "plan")
        inputs = Inputs(pulled(context, "train"), pulled(context, "build_training_set"), pulled(context, "evaluate"))
        return propose(
            services.ledger,
            services.spec(self.model),
            inputs,
            as_of=plan["as_of"],
            run_type=DEPLOYED if is_backfill(context) and may_deploy(context) else plan["run_type"],
            commit=_commit(context),
        )

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
