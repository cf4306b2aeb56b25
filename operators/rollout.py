"""Tasks that bring a version into production, one stage each. The state is the control store's, never Airflow's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core import fault
from include.core.errors import ConflictError, DataError, GateClosed, PausedError
from include.core.request import Json
from operators.alert import MONITORING, ROLLOUT, Alert, tell
from operators.base import ReconcileOperator
from operators.hooks import Services, open_services
from operators.links import ReportLink, evidence_url
from operators.run import event_extra, holder, pulled_json, run_token
from operators.triggers import QuestionTrigger

if TYPE_CHECKING:
    from include.rollout.history import Rollout

LOOK_EVERY = 2.0  # seconds between two looks at a stage's evidence
ASK_AGAIN = 86_400.0  # seconds after which a task that waits out a pause is started afresh


class RolloutOperator(ReconcileOperator):
    """A task of one rollout. Starting it fences off every earlier attempt to move the model's traffic.

    While the rollout is paused it waits in the triggerer, and then does all of its work again: that is repeatable.
    """

    def execute(self, context: Context) -> Json:
        try:
            return super().execute(context)
        except PausedError as paused:
            self.wait_until_resumed(context, paused)

    def go_on(self, context: Context, event: Mapping[str, Any]) -> Json:
        """The pause is over, as the trigger says; the control store is asked again."""
        del event
        return self.execute(context)

    def wait_until_resumed(self, context: Context, paused: PausedError) -> NoReturn:
        """In the triggerer. Whether it is paused still is for the trigger to ask: here it may have ended just now."""
        self.log.warning("Waiting: %s", paused)
        question = {"rollout": pulled_json(context, "open")["rollout"]}
        self.defer(
            trigger=QuestionTrigger("include.rollout.watch:resumed", question, ASK_AGAIN, LOOK_EVERY),
            method_name="go_on",
        )

    def resource(self, context: Context) -> str:
        return f"rollout/{self.model}"

    def rollout(self, context: Context, services: Services) -> Rollout:
        from include.rollout.history import read_rollout

        return read_rollout(services.control, pulled_json(context, "open")["rollout"])

    def enter(self, context: Context, services: Services, stage: str, epoch: int) -> int:
        """Set the stage's route and wait until the gateway serves it. Returns the route's generation."""
        from include.rollout.machine import enter_stage

        generation = enter_stage(services.control, self.rollout(context, services), stage, epoch)
        services.gateway().wait_applied(self.model, generation)
        fault.point("traffic.applied")
        return generation

    def require(self, rollout: Rollout, stage: str, answer: str, reasons: Sequence[str]) -> None:
        """Raises GateClosed for roll_back."""
        if answer == "roll_back":
            raise GateClosed(
                f"{stage} of version {rollout.challenger} of {self.model}: roll back. {'; '.join(reasons)}",
                safe=f"version {rollout.champion} serves all traffic.",
                hint="read the evidence (slipstream status), mend the model, register a new version.",
            )


class OpenRolloutOperator(RolloutOperator):
    """Opens the rollout of the version that the run or its event names. A version has its turn once."""

    def reconcile(self, context: Context, services: Services, epoch: int) -> Json:
        from include.rollout.foresight import foresee, foresee_entities
        from include.rollout.machine import open_rollout

        asked = context["params"].get("version")
        version = asked or event_extra(context).get("version")
        if not version:
            raise DataError("This run names no version to roll out.", hint=f"trigger {context['ti'].dag_id} with version=N.")
        if not asked:
            self._skip_if_had_its_turn(services, int(version), run_token(context))
        rollout = open_rollout(
            services.control,
            services.spec(self.model),
            int(version),
            request=run_token(context),
            actor=holder(context),
            epoch=epoch,
        )
        for stage in foresee(services.spec(self.model), rollout.champion):
            self.log.info("%s", stage.words)
        for words in foresee_entities(services.spec(self.model), rollout.champion):
            self.log.info("%s", words)
        return {"rollout": rollout.id, "version": rollout.challenger, "champion": rollout.champion}

    def _skip_if_had_its_turn(self, services: Services, version: int, request: str) -> None:
        """An event may come twice (its task was cleared). A run that was asked for by hand is obeyed."""
        from include.rollout.history import list_rollouts
        from include.rollout.machine import rollout_id_of

        over = [
            one for one in list_rollouts(services.control, self.model) if one.challenger == version and one.state != "running"
        ]
        if over and rollout_id_of(self.model, version, request) not in {one.id for one in over}:
            raise AirflowSkipException(f"Version {version} had its rollout already: {over[-1].state} ({over[-1].id}).")


class SmokeTestOperator(RolloutOperator):
    """Asks the challenger itself, on the real server, before any traffic."""

    def reconcile(self, context: Context, services: Services, epoch: int) -> Json:
        from include.rollout.machine import record_verdict
        from include.rollout.smoke import smoke_test

        self.enter(context, services, "smoke", epoch)
        rollout = self.rollout(context, services)
        try:
            report = smoke_test(services.gateway(), services.spec(self.model), rollout.challenger)
        except GateClosed as error:
            record_verdict(services.control, rollout, "smoke", {"answer": "roll_back", "reasons": [str(error)]}, epoch)
            raise
        decision = {"answer": "promote", "reasons": ["the server answers every probe"], "report": report}
        answer = record_verdict(services.control, rollout, "smoke", decision, epoch)
        self.require(rollout, "smoke", answer, ["an earlier smoke test said so"])
        return report


class RolloutStageOperator(RolloutOperator):
    """One stage: set the weights, then wait for the judge. Waits in the triggerer; every look is repeatable."""

    operator_extra_links = (ReportLink(),)

    def __init__(self, *, model: str, stage: str, **kwargs: Any) -> None:
        super().__init__(model=model, **kwargs)
        self.stage = stage

    def reconcile(self, context: Context, services: Services, epoch: int) -> Json:
        self.enter(context, services, self.stage, epoch)
        return self._look(context, services, epoch)

    def _look(self, context: Context, services: Services, epoch: int) -> Json:
        """Conclude the stage if its evidence suffices; else wait in the triggerer for evidence or the deadline."""
        from include.rollout.machine import record_alert, record_verdict
        from include.rollout.watch import look

        rollout, spec = self.rollout(context, services), services.spec(self.model)
        self.links[ReportLink.kind] = evidence_url(self.model, rollout.id)
        question = {"rollout": rollout.id, "model": self.model, "stage": self.stage}
        decision = look(**question)
        if decision is not None and decision["answer"] == "hold":
            self.page(rollout, decision, services)
            record_alert(services.control, rollout, self.stage, decision, epoch)
            decision = None
        if decision is None:
            self.defer(
                trigger=QuestionTrigger(
                    function="include.rollout.watch:look",
                    kwargs=question,
                    seconds=spec.rollout.deadline.total_seconds(),
                    poll_seconds=LOOK_EVERY,
                ),
                method_name="resume",
            )
        answer = record_verdict(services.control, rollout, self.stage, decision, epoch)
        self.require(rollout, self.stage, answer, decision["reasons"])
        return {"stage": self.stage, "answer": answer, "reasons": decision["reasons"]}

    def resume(self, context: Context, event: Mapping[str, Any]) -> Json:
        """The trigger has seen a decision, or the deadline. What it saw is not trusted: the evidence is read again."""
        services = open_services()
        epoch = services.control.take(self.resource(context), holder(context))
        try:
            return self._look(context, services, epoch)
        except PausedError as paused:
            self.wait_until_resumed(context, paused)

    def page(self, rollout: Rollout, decision: Mapping[str, Any], services: Services) -> None:
        """Both arms are beyond the service's objective: call someone. At ERROR too, for whatever watches the logs."""
        words = f"{self.stage} of {self.model} holds at version {rollout.challenger}: {'; '.join(decision['alerts'])}"
        self.log.error("%s", words)
        key, playbook = f"page/{rollout.id}/{self.stage}", f"{MONITORING}both-arms-fail"
        tell(Alert(key, "rollout_holds", "page", self.model, words, playbook), services.control)


class PromoteModelOperator(RolloutOperator):
    """The challenger becomes the champion; the registry's aliases follow."""

    def reconcile(self, context: Context, services: Services, epoch: int) -> Json:
        from include.rollout.machine import promote

        rollout = self.rollout(context, services)
        generation = promote(services.control, rollout, actor=holder(context), epoch=epoch)
        services.gateway().wait_applied(self.model, generation)
        _mirror(self, services)
        words = f"{self.model}: version {rollout.challenger} is in production (before: {rollout.champion or 'none'})"
        tell(Alert(f"promoted/{rollout.id}", "promoted", "info", self.model, words), services.control)
        return {"champion": rollout.challenger, "previous": rollout.champion, "generation": generation}


class RollBackModelOperator(RolloutOperator):
    """Runs when any stage failed: all traffic on the champion. Does nothing if that is so already."""

    def reconcile(self, context: Context, services: Services, epoch: int) -> Json:
        from include.rollout.machine import roll_back

        if context["ti"].xcom_pull(task_ids="open") is None:
            raise AirflowSkipException("No rollout was opened by this run: there is nothing to roll back.")
        rollout = self.rollout(context, services)
        if rollout.state == "promoted":
            raise ConflictError(
                f"Rollout {rollout.id} was promoted.",
                safe=f"version {rollout.challenger} goes on serving.",
                hint=f"to go back all the same: slipstream rollback {self.model}.",
            )
        generation = roll_back(services.control, rollout, reason="a stage failed", actor=holder(context), epoch=epoch)
        services.gateway().wait_applied(self.model, generation)
        _mirror(self, services)
        self._tell(context, services)
        return {"champion": rollout.champion, "rolled_back": rollout.challenger, "generation": generation}

    def _tell(self, context: Context, services: Services) -> None:
        rollout = self.rollout(context, services)
        words = f"{self.model}: version {rollout.challenger} was rolled back in {rollout.stage}: {rollout.reason}"
        playbook = f"{ROLLOUT}the-canary-was-rolled-back-what-now"
        tell(Alert(f"rolled_back/{rollout.id}", "rolled_back", "ticket", self.model, words, playbook), services.control)


def _mirror(operator: RolloutOperator, services: Services) -> None:
    """Copy the stages to the registry's aliases. Traffic never waits for the registry."""
    from include.core.errors import TransientError
    from include.governance.registry import mirror

    try:
        mirror(services.control, services.registry(), operator.model)
    except TransientError as error:
        operator.log.warning("The registry's aliases are behind: %s", error)
