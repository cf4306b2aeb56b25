"""Tasks that bring a version into production, one stage each. The state is the control store's, never Airflow's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core import tracing
from include.core.errors import DataError, GateClosed, PausedError, one_line
from include.core.request import Json
from include.services.services import Services
from operators.alert import MONITORING, Alert, send_alert
from operators.experiment import await_experiments
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.links import ReportLink, evidence_url
from operators.run import event_extra, holder, is_asset_run, is_manual, may_deploy, person, run_token, said
from operators.seen import of_verdict, seen
from operators.traffic import EVALUATE_SECONDS, RolloutOperator, TrafficOperator
from operators.triggers import QuestionTrigger

if TYPE_CHECKING:
    from include.rollout.history import Rollout

LOOK_SECONDS = 5.0  # in which a stage's task looks by itself: to defer and to be resumed takes some three of them
NOTHING = "nothing_to_do"  # the XCom in which the opening task says why it was skipped


class OpenRolloutOperator(TrafficOperator):
    """Opens the rollout of the version that the run names; a run that an event started takes the newest that waits.

    An event is only a reason to check: some are lost, some come twice or late, and several make one run. A version has its turn
    once, unless a person asks for it by its number. Returns {"rollout", "version", "champion"}, which every task after it takes.
    A backfill opens none, unless its conf says `deploy`.

    :param version: the output of a RegisterModelOperator (skipped if that version is no Candidate), or a number, templated; else
        the run's parameter `version`, else its event's

    **Example** ::

        opened = OpenRolloutOperator(task_id="open", model="flight_delay", version=registered.output)
    """

    takes: ClassVar[Inputs] = {"version": Takes("", "RegisterModelOperator", required=False)}
    template_fields = ("version",)
    version: Input | int

    def __init__(self, *, version: Input | int = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(version=version)  # type: ignore[arg-type]

    def execute(self, context: Context) -> dict[str, Any]:
        try:
            return super().execute(context)
        except AirflowSkipException as nothing:  # for the end of the run: a person's mark leaves the same state, and no reason
            context["ti"].xcom_push(key=NOTHING, value=str(nothing))
            raise

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.rollout.machine import open_rollout
        from include.rollout.power import entities_needed, stage_powers

        if not may_deploy(context):
            raise AirflowSkipException("A backfill deploys nothing, unless its conf says `deploy`.")

        registered = self._registered()
        asked = registered or self.named_version() or context["params"].get("version")
        override = self._override(context, asked)
        version = asked or self._choose(context, services)
        if not version:
            raise DataError("This run names no version to roll out.", hint=f"trigger {context['ti'].dag_id} with version=N.")
        services.require_approval(self.model, int(version))
        await_experiments(context, services, self.model, int(version))
        rollout = open_rollout(
            services.control,
            services.spec(self.model),
            int(version),
            request=run_token(context),
            actor=person(context),
            epoch=epoch,
            by_hand=bool(asked) and not registered and is_manual(context),
            override=override,
        )
        for stage in stage_powers(services.spec(self.model), rollout.champion):
            self.log.info("%s", stage.summary)
        for words in entities_needed(services.spec(self.model), rollout.champion):
            self.log.info("%s", words)
        self.mirror(services, rollout)
        return {"rollout": rollout.id, "version": rollout.challenger, "champion": rollout.champion}

    def _registered(self) -> int | None:
        """The version that a task of this DAG has registered; skips where it may not be rolled out. None where none was given."""
        if self.named_version() is not None or (self.version is None and not self.given_by["version"]):
            return None
        from include.versions.lifecycle import Stage

        given = self.required("version")
        if given.get("stage") == Stage.STAGING:
            raise AirflowSkipException(
                f"Version {given['version']} of {self.model} is no candidate: its gate is closed, or a backfill made it."
            )
        return int(given["version"])

    def named_version(self) -> int | None:
        """A version that is given as its number."""
        given = said(self.version)
        return int(given) if isinstance(given, int) or (isinstance(given, str) and given.strip().isdigit()) else None

    def _override(self, context: Context, asked: object) -> str:
        """A person's reason to roll out a version whose gate is closed; empty where none is given. Raises DataError for one that
        nobody gave for this very version."""
        from include.versions.override import checked_reason

        given = context["params"].get("override")
        if given is None:
            return ""
        if not asked or not is_manual(context):
            raise DataError(
                "An override is of one version, and of a person: this run names no version, or no person started it.",
                seen=given,
                safe="nothing was opened.",
                hint=f"trigger {context['ti'].dag_id} by hand with version=N and override.",
            )
        return checked_reason(str(given), self.model, int(str(asked)))

    def _choose(self, context: Context, services: Services) -> int | None:
        """The version of a run that names none: the one this run has opened already, else its event's if that one is live, else
        the newest that waits. Raises AirflowSkipException where all have had their turn."""
        from include.rollout.history import live_rollout, opened_by
        from include.rollout.waiting import supersede, waiting

        if (mine := opened_by(services.control, self.model, run_token(context))) is not None:
            return mine.challenger
        if not is_asset_run(context):
            return None
        named = event_extra(context).get("version")
        version = int(named) if named else None
        live = live_rollout(services.control, self.model)
        if live is not None and live.challenger == version:
            return version
        for gone in supersede(services.control, self.model, holder(context)):
            self.log.info("Version %s is superseded: a newer one is in production.", gone)
        if waits := waiting(services.control, self.model):
            if waits[0] != version:
                self.log.info("The event is about version %s; the newest that waits for its turn is %s.", version, waits[0])
            return waits[0]
        self._skip_if_had_its_turn(services, version)
        return version

    def _skip_if_had_its_turn(self, services: Services, version: int | None) -> None:
        from include.rollout.history import list_rollouts
        from include.rollout.waiting import superseded_by

        if version is None:
            raise AirflowSkipException(f"No candidate of {self.model} waits for its turn.")
        over = [one for one in list_rollouts(services.control, self.model) if one.challenger == version]
        if over:
            raise AirflowSkipException(f"Version {version} had its rollout already: {over[-1].state} ({over[-1].id}).")
        if (by := superseded_by(services.control, self.model, version)) is not None:
            raise AirflowSkipException(f"Version {version} was superseded: version {by} came into production before its turn.")


class SmokeTestOperator(RolloutOperator):
    """Asks the challenger itself, on the real server, before any traffic.

    **Example** ::

        smoke = SmokeTestOperator(task_id="smoke", model="flight_delay", rollout=opened.output)
    """

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.rollout.machine import record_verdict
        from include.rollout.smoke import smoke_test

        self.enter(services, "smoke", epoch)
        rollout = self.driven(services)
        try:
            report = smoke_test(services.target(self.model), services.spec(self.model), rollout.challenger, rollout.champion)
        except GateClosed as error:
            record_verdict(services.control, rollout, "smoke", {"answer": "roll_back", "reasons": [one_line(error)]}, epoch)
            raise
        decision = {"answer": "promote", "reasons": ["the server answers every probe"], "report": report}
        answer = record_verdict(services.control, rollout, "smoke", decision, epoch)
        self.require(rollout, "smoke", answer, ["an earlier smoke test said so"])
        return report


class RolloutStageOperator(RolloutOperator):
    """One stage: set the weights, then wait for the judge, after some seconds in the triggerer. Every evaluation is repeatable.

    :param stage: its name in the plan of the spec's rollout, such as "shadow" or "canary_5"; each follows the one before it

    **Example** ::

        shadow = RolloutStageOperator(task_id="shadow", model="flight_delay", rollout=opened.output, stage="shadow")
    """

    operator_extra_links = (ReportLink(),)

    def __init__(self, *, stage: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        self.enter(services, self.stage, epoch)
        return self._evaluate(context, services, epoch, patience=LOOK_SECONDS)

    def _evaluate(self, context: Context, services: Services, epoch: int, patience: float = 0.0) -> dict[str, Any]:
        """Conclude the stage if its evidence suffices, or does within `patience` seconds; else wait in the triggerer for evidence
        or the deadline."""
        from include.rollout.machine import record_alert, record_verdict

        rollout, spec = self.driven(services), services.spec(self.model)
        self.links[ReportLink.kind] = evidence_url(self.model, rollout.id)
        question = {"rollout": rollout.id, "model": self.model, "stage": self.stage}
        with tracing.span("judge") as span:
            decision = _look(question, patience)
            span.set(of_verdict(self.stage, rollout.id, decision))
        if decision is not None and decision["answer"] == "hold":
            self.send_hold_alert(rollout, decision, services)
            record_alert(services.control, rollout, self.stage, decision, epoch)
            decision = None
        if decision is None:
            self.defer(
                trigger=QuestionTrigger(
                    function="include.rollout.stage_evaluation:evaluate_stage",
                    kwargs=question,
                    seconds=spec.rollout.deadline.total_seconds(),
                    poll_seconds=EVALUATE_SECONDS,
                ),
                method_name="resume",
            )
        answer = record_verdict(services.control, rollout, self.stage, decision, epoch)
        return self._concluded(rollout, {**decision, "answer": answer})

    def resume(self, context: Context, event: Mapping[str, Any]) -> Json:
        """The trigger has seen a decision, or the deadline. What it saw is not trusted: the evidence is read again."""
        with seen("task RolloutStage", self.model, context, {"slipstream.resumed": True}):
            return self._resume(context)

    def done(self, services: Services) -> dict[str, Any] | None:
        """The verdict on the stage, once there is one: it stands."""
        from include.rollout.history import verdict_on

        rollout = self.driven(services)
        decision = verdict_on(services.control, rollout, self.stage)
        if decision is None:
            return None
        self.links[ReportLink.kind] = evidence_url(self.model, rollout.id)
        return self._concluded(rollout, decision)

    def _concluded(self, rollout: Rollout, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Raises GateClosed for roll_back."""
        reasons = list(decision.get("reasons", ()))
        self.require(rollout, self.stage, decision["answer"], reasons)
        return {"stage": self.stage, "answer": decision["answer"], "reasons": reasons}

    def _resume(self, context: Context) -> Json:
        services = open_services()
        if (known := self.done(services)) is not None:
            return known
        epoch = services.control.take(self.resource(context), holder(context))
        try:
            value = self._evaluate(context, services, epoch)
        except PausedError as paused:
            self.wait_until_resumed(context, paused)
        self.log_summary(f"{self.resource(context)} is as it should be:", self.summary_lines(value))
        return value

    def send_hold_alert(self, rollout: Rollout, decision: Mapping[str, Any], services: Services) -> None:
        """Both arms are beyond the service's objective: call someone. At ERROR too, for whatever watches the logs."""
        words = f"{self.stage} of {self.model} holds at version {rollout.challenger}: {'; '.join(decision['alerts'])}"
        self.log.error("%s", words)
        key, playbook = f"page/{rollout.id}/{self.stage}", f"{MONITORING}both-arms-fail"
        send_alert(Alert(key, "rollout_holds", "page", self.model, words, playbook), services.control)


def _look(question: Mapping[str, str], patience: float) -> dict[str, Any] | None:
    """The stage's decision as soon as there is one, or None after `patience` seconds."""
    from include.rollout.stage_evaluation import evaluate_stage

    until = time.monotonic() + patience
    while True:
        decision = evaluate_stage(**question)
        if decision is not None or time.monotonic() >= until:
            return decision
        time.sleep(EVALUATE_SECONDS)
