"""The task that registers a version, and announces it to the rollout when its gate is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import AssetAlias, Context
from pydantic import JsonValue

from include.core import fault
from include.core.errors import SpecError
from include.services.services import Services
from include.versions.trainer import TRAINED_BY
from operators.assets import candidate_asset, with_outlet
from operators.base import ReconcileOperator
from operators.commits import commits_at
from operators.foreign import Foreign
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.links import MlflowRunLink, ReportLink, report_url
from operators.run import is_backfill, may_deploy, run_type, trainer

if TYPE_CHECKING:
    from include.core.request import Ref
    from include.governance import registration
    from include.governance.package import Package
    from include.overview.datasets import Flow
    from include.versions.record import VersionRecord

DEPLOYED = "backfill_to_deploy"  # the run type of a version whose backfill's conf says `deploy`: a candidate like any other


class RegisterModelOperator(ReconcileOperator):
    """One MLflow run and one version for each trained result, however often this runs.

    Returns {"version", "semver", "stage"}, which OpenRolloutOperator takes. A version whose gate is open is a Candidate; its
    event starts the DAG `<model>_rollout`.

    With `model_uri` a model that was trained elsewhere (docs/handover.md): it is evaluated here, on the holdout of
    `training_set`, or of the training set as of `as_of`, and registered like any other; `trained` and `evaluation` are not
    asked for then.

    :param training_set: the output of a BuildTrainingSetOperator
    :param trained: the output of a TrainModelOperator, of that training set
    :param evaluation: the output of an EvaluateModelOperator, of that trained result
    :param plan: the output of a PlanTrainingOperator; without it the version's moment is the training set's
    :param announce: whether to send that event; False where this DAG rolls the version out itself
    :param model_uri: a path, s3://bucket/key, models:/name/3, models:/name@alias, runs:/RUN/model, or
        oip://NAME/MODEL/versions/3 of a model that another server serves
    :param as_of: of `model_uri`: the moment (UTC) of the training set whose holdout it is evaluated on
    :param trained_until: of `model_uri`: the newest row that it was trained on; the gate stays closed while nobody has said
    :param categories: of `model_uri`: by feature the values that its codes stand for; by default those of the training set
    :param evaluate: of `model_uri`: False registers it without: its gate is closed then

    **Example** ::

        registered = RegisterModelOperator(
            task_id="register", model="flight_delay",
            training_set=built.output, trained=trained.output, evaluation=evaluated.output, announce=False,
        )
        RegisterModelOperator(
            task_id="take_in", model="flight_delay", model_uri="models:/late_flights/3",
            as_of="{{ data_interval_end }}", trained_until="2013-03-01",
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
    template_fields = ("training_set", "trained", "evaluation", "plan", "model_uri", "as_of", "trained_until", "categories")
    plan: Input
    registered: VersionRecord | None = None  # by now

    def __init__(  # noqa: PLR0913 - they are what an author writes
        self,
        *,
        model: str,
        training_set: Input = None,
        trained: Input = None,
        evaluation: Input = None,
        plan: Input = None,
        announce: bool = True,
        model_uri: str | None = None,
        as_of: str | None = None,
        trained_until: str | None = None,
        categories: Mapping[str, Sequence[str]] | None = None,
        evaluate: bool = True,
        **kwargs: Any,
    ) -> None:
        # An alias, because the event is sent only when the gate is open and the run may deploy.
        super().__init__(**with_outlet(AssetAlias(f"{model}_registered"), kwargs), model=model)
        self.model_uri, self.as_of, self.trained_until = model_uri, as_of, trained_until
        self.categories, self.evaluate, self.announce = categories, evaluate, announce
        self._foreign: Package | None = None
        if model_uri is None:
            self.take(training_set=training_set, trained=trained, evaluation=evaluation, plan=plan)
        else:
            self.training_set, self.trained, self.evaluation, self.plan = training_set, trained, evaluation, plan

    @classmethod
    def needs(cls, given: Mapping[str, object]) -> Sequence[str]:
        return () if given.get("model_uri") is not None else super().needs(given)

    def execute(self, context: Context) -> dict[str, Any]:
        if self.model_uri is not None:
            self._foreign = self._fetched(self.model_uri, context)
        return super().execute(context)

    def resource(self, context: Context) -> str:
        from include.governance.registry import resource

        return resource(self.model)

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.governance.registry import register

        package = self._foreign or self._trained_here(context, services)
        package = replace(package, said={**package.said, TRAINED_BY: trainer(context)})
        registry = services.registry()
        record = register(services.control, registry, package, epoch)
        evaluation = services.ledger.resolve(package.entry.lineage.evaluation)
        self.links[ReportLink.kind] = report_url(evaluation.files["report.html"].path)
        self.links[MlflowRunLink.kind] = registry.url(record)
        # Both: the version's verdict and this run's own, which differ for a version that had its turn before.
        if record.entry.gate.passed and package.entry.gate.passed and self.announce and may_deploy(context):
            extra: dict[str, JsonValue] = {"version": record.version, "as_of": record.entry.as_of}
            context["outlet_events"][AssetAlias(f"{self.model}_registered")].add(candidate_asset(self.model), extra=extra)
            self.log.info("Its gate is open: an event asks for the rollout of version %d.", record.version)
        self._count(record, services)
        fault.point("register.sent")
        self.registered = record
        return {"version": record.version, "semver": record.semver, "stage": record.stage}

    def _count(self, record: VersionRecord, services: Services) -> None:
        """What the version has cost by now, by the prices of today: once."""
        try:
            cost = services.cost(record)
        except SpecError as error:  # a setting that is no price: nothing of the registration depends on it
            self.log.warning("What version %d has cost is not kept: %s", record.version, error)
            return
        if services.keep_cost(record, cost):
            self.log.info("It has cost: %s.", cost.words())

    def flow(self, services: Services) -> Flow | None:
        from include.overview.datasets import version_flow

        return None if self.registered is None else version_flow(self.registered, services.ledger)

    def _fetched(self, uri: str, context: Context) -> Package:
        """The version of a model that was trained elsewhere."""
        services = open_services()
        commits = commits_at(context, self.model, services.settings.models)
        rows = self.ref_or_none("training_set", services)
        foreign = Foreign(uri, self.as_of, self.trained_until, rows, self.categories, self.evaluate)
        run_type = "" if may_deploy(context) else "backfill"
        package = foreign.prepare(self.model, context, services, run_type=run_type, commit=commits.model)
        return replace(package, facts=replace(package.facts, platform_commit=commits.platform))

    def _trained_here(self, context: Context, services: Services) -> Package:
        """The version that tasks of ours have trained."""
        from include.governance.registration import propose

        inputs = self._inputs(services)
        plan = self._plan(inputs.training_set, context, services)
        commits = commits_at(context, self.model, services.settings.models)
        return propose(
            services.ledger,
            services.spec(self.model),
            inputs,
            as_of=plan["as_of"],
            run_type=DEPLOYED if is_backfill(context) and may_deploy(context) else plan["run_type"],
            commit=commits.model,
            platform_commit=commits.platform,
        )

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
