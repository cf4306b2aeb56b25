"""The task that registers a version, and announces it to the rollout when its gate is open."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import AssetAlias, Context
from pydantic import JsonValue

from include.core import fault
from include.core.digest import PROJECT
from include.services.services import Services
from operators.assets import candidate_asset, with_outlet
from operators.base import ReconcileOperator
from operators.inputs import Input, Inputs, Takes
from operators.links import MlflowRunLink, ReportLink, report_url
from operators.run import is_backfill, may_deploy, run_type

if TYPE_CHECKING:
    from include.core.request import Ref
    from include.governance import registration

DEPLOYED = "backfill_to_deploy"  # the run type of a version whose backfill's conf says `deploy`: a candidate like any other


class RegisterModelOperator(ReconcileOperator):
    """One MLflow run and one version for each trained result, however often this runs.

    Returns {"version", "semver", "stage"}, which OpenRolloutOperator takes. A version whose gate is open is a Candidate; its
    event starts the DAG `<model>_rollout`.

    :param training_set: the output of a BuildTrainingSetOperator
    :param trained: the output of a TrainModelOperator, of that training set
    :param evaluation: the output of an EvaluateModelOperator, of that trained result
    :param plan: the output of a PlanTrainingOperator; without it the version's moment is the training set's
    :param announce: whether to send that event; False where this DAG rolls the version out itself

    **Example** ::

        registered = RegisterModelOperator(
            task_id="register", model="flight_delay",
            training_set=built.output, trained=trained.output, evaluation=evaluated.output, announce=False,
        )
    """

    lock_timeout = 30  # it uploads files
    operator_extra_links = (MlflowRunLink(), ReportLink())
    takes: ClassVar[Inputs] = {
        "training_set": Takes("training_set", "BuildTrainingSetOperator"),
        "trained": Takes("train", "TrainModelOperator"),
        "evaluation": Takes("evaluate", "EvaluateModelOperator"),
        "plan": Takes("", "PlanTrainingOperator", required=False),
    }
    template_fields = ("training_set", "trained", "evaluation", "plan")
    plan: Input

    def __init__(
        self,
        *,
        model: str,
        training_set: Input = None,
        trained: Input = None,
        evaluation: Input = None,
        plan: Input = None,
        announce: bool = True,
        **kwargs: Any,
    ) -> None:
        # An alias, because the event is sent only when the gate is open and the run may deploy.
        super().__init__(**with_outlet(AssetAlias(f"{model}_registered"), kwargs), model=model)
        self.take(training_set=training_set, trained=trained, evaluation=evaluation, plan=plan)
        self.announce = announce

    def resource(self, context: Context) -> str:
        from include.governance.registry import resource

        return resource(self.model)

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.governance.registration import propose
        from include.governance.registry import register

        inputs = self._inputs(services)
        plan = self._plan(inputs.training_set, context, services)
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
        if record.entry.gate.passed and package.entry.gate.passed and self.announce and may_deploy(context):
            extra: dict[str, JsonValue] = {"version": record.version, "as_of": record.entry.as_of}
            context["outlet_events"][AssetAlias(f"{self.model}_registered")].add(candidate_asset(self.model), extra=extra)
            self.log.info("Its gate is open: an event asks for the rollout of version %d.", record.version)
        fault.point("register.sent")
        return {"version": record.version, "semver": record.semver, "stage": record.stage}

    def _inputs(self, services: Services) -> registration.Inputs:
        """The three results, which belong together. Raises InputError for others."""
        from include.governance import registration

        ledger = services.ledger
        inputs = registration.Inputs(*(self.ref(name, services) for name in ("trained", "training_set", "evaluation")))
        trained, measured = (ledger.request(ledger.resolve(ref).key) for ref in (inputs.train, inputs.evaluation))
        self.agree("trained", trained, "training_set", inputs.training_set)
        self.agree("evaluation", measured, "training_set", inputs.training_set)
        self.agree("evaluation", measured, "trained", inputs.train)
        return inputs

    def _plan(self, training_set: Ref, context: Context, services: Services) -> Mapping[str, Any]:
        """{"as_of", "run_type"}: the plan's, else the training set's own moment and the run's type."""
        if self.given_by["plan"] or self.plan is not None:
            return self.required("plan")
        asked = services.ledger.request(services.ledger.resolve(training_set).key)
        return {"as_of": asked.params["as_of"], "run_type": run_type(context)}

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
