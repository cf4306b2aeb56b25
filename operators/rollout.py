"""Tasks that bring a version into production, one stage each. The state is the control store's, never Airflow's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import AssetAlias, Context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import JsonValue

from include.core import fault
from include.core.errors import ConflictError, DataError, GateClosed, PausedError, one_line
from include.core.request import Json
from include.services.services import Services
from operators.alert import MONITORING, ROLLOUT, Alert, send_alert
from operators.assets import candidate_asset
from operators.base import ReconcileOperator, SlipstreamOperator
from operators.hooks import open_services
from operators.links import ReportLink, evidence_url
from operators.run import event_extra, holder, is_asset_run, is_manual, person, pulled_json, run_token
from operators.triggers import QuestionTrigger

if TYPE_CHECKING:
    from include.rollout.history import Rollout

EVALUATE_SECONDS = 2.0  # seconds between two looks at a stage's evidence
ASK_AGAIN = 86_400.0  # seconds after which a task that waits out a pause is started afresh
NOTHING = "nothing_to_do"  # the XCom in which `open` says why it was skipped


class RolloutOperator(ReconcileOperator):
    """A task of one rollout. Starting it fences off every earlier attempt to move the model's traffic.

    While the rollout is paused it waits in the triggerer, and then does all of its work again: that is repeatable.
    """

    def execute(self, context: Context) -> dict[str, Any]:
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
        self.log.warning("Waiting: %s", one_line(paused))
        question = {"rollout": pulled_json(context, "open")["rollout"]}
        self.defer(
            trigger=QuestionTrigger("include.rollout.stage_evaluation:resumed", question, ASK_AGAIN, EVALUATE_SECONDS),
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
    """Opens the rollout of the version that the run names; a run that an event started takes the newest that waits.

    An event is only a reason to check: some are lost, some come twice or late, and several make one run. A version has its turn
    once, unless a person asks for it by its number.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        try:
            return super().execute(context)
        except AirflowSkipException as nothing:  # for the end of the run: a person's mark leaves the same state, and no reason
            context["ti"].xcom_push(key=NOTHING, value=str(nothing))
            raise

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.rollout.machine import open_rollout
        from include.rollout.power import entities_needed, stage_powers

        asked = context["params"].get("version")
        override = self._override(context, asked)
        version = asked or self._choose(context, services)
        if not version:
            raise DataError("This run names no version to roll out.", hint=f"trigger {context['ti'].dag_id} with version=N.")
        rollout = open_rollout(
            services.control,
            services.spec(self.model),
            int(version),
            request=run_token(context),
            actor=person(context),
            epoch=epoch,
            by_hand=bool(asked) and is_manual(context),
            override=override,
        )
        for stage in stage_powers(services.spec(self.model), rollout.champion):
            self.log.info("%s", stage.summary)
        for words in entities_needed(services.spec(self.model), rollout.champion):
            self.log.info("%s", words)
        _mirror(self, services, rollout)
        return {"rollout": rollout.id, "version": rollout.challenger, "champion": rollout.champion}

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
    """Asks the challenger itself, on the real server, before any traffic."""

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.rollout.machine import record_verdict
        from include.rollout.smoke import smoke_test

        self.enter(context, services, "smoke", epoch)
        rollout = self.rollout(context, services)
        try:
            report = smoke_test(services.gateway(), services.spec(self.model), rollout.challenger, rollout.champion)
        except GateClosed as error:
            record_verdict(services.control, rollout, "smoke", {"answer": "roll_back", "reasons": [one_line(error)]}, epoch)
            raise
        decision = {"answer": "promote", "reasons": ["the server answers every probe"], "report": report}
        answer = record_verdict(services.control, rollout, "smoke", decision, epoch)
        self.require(rollout, "smoke", answer, ["an earlier smoke test said so"])
        return report


class RolloutStageOperator(RolloutOperator):
    """One stage: set the weights, then wait for the judge. Waits in the triggerer; every evaluation is repeatable."""

    operator_extra_links = (ReportLink(),)

    def __init__(self, *, model: str, stage: str, **kwargs: Any) -> None:
        super().__init__(model=model, **kwargs)
        self.stage = stage

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        self.enter(context, services, self.stage, epoch)
        return self._evaluate(context, services, epoch)

    def _evaluate(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        """Conclude the stage if its evidence suffices; else wait in the triggerer for evidence or the deadline."""
        from include.rollout.machine import record_alert, record_verdict
        from include.rollout.stage_evaluation import evaluate_stage

        rollout, spec = self.rollout(context, services), services.spec(self.model)
        self.links[ReportLink.kind] = evidence_url(self.model, rollout.id)
        question = {"rollout": rollout.id, "model": self.model, "stage": self.stage}
        decision = evaluate_stage(**question)
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
        self.require(rollout, self.stage, answer, decision["reasons"])
        return {"stage": self.stage, "answer": answer, "reasons": decision["reasons"]}

    def resume(self, context: Context, event: Mapping[str, Any]) -> Json:
        """The trigger has seen a decision, or the deadline. What it saw is not trusted: the evidence is read again."""
        services = open_services()
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


class EndingOperator(RolloutOperator):
    """A task that ends a rollout. Whoever waited meanwhile gets a new event: the first one may have been lost."""

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(model=model, outlets=[AssetAlias(f"{model}_waiting")], **kwargs)

    def announce_next(self, context: Context, services: Services) -> None:
        from include.rollout.waiting import waiting

        if waits := waiting(services.control, self.model):
            self.log.info("Waiting for their turn: %s. Version %s is next.", ", ".join(map(str, waits)), waits[0])
            extra: dict[str, JsonValue] = {"version": waits[0]}
            context["outlet_events"][AssetAlias(f"{self.model}_waiting")].add(candidate_asset(self.model), extra=extra)


class PromoteModelOperator(EndingOperator):
    """The challenger becomes the champion; the registry's aliases follow."""

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.rollout.machine import promote

        rollout = self.rollout(context, services)
        generation = promote(services.control, rollout, actor=holder(context), epoch=epoch)
        services.gateway().wait_applied(self.model, generation)
        _mirror(self, services, rollout)
        words = f"{self.model}: version {rollout.challenger} is in production (before: {rollout.champion or 'none'})"
        send_alert(Alert(f"promoted/{rollout.id}", "promoted", "info", self.model, words), services.control)
        self.announce_next(context, services)
        return {"champion": rollout.challenger, "previous": rollout.champion, "generation": generation}


class RollBackModelOperator(EndingOperator):
    """Runs at the end of every run, however it ends: a rollout that was not promoted gets all traffic back to the champion.

    A teardown: Airflow lets it run where a person has marked the whole run failed, or success.
    """

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.rollout.history import read_rollout
        from include.rollout.machine import roll_back

        rollout = opened_in(context, services, self.model)
        if rollout is None:
            raise AirflowSkipException("No rollout was opened by this run: there is nothing to roll back.")
        if rollout.state == "promoted":
            raise AirflowSkipException(
                f"Rollout {rollout.id} was promoted: version {rollout.challenger} goes on serving. "
                f"To go back all the same: slipstream rollback {self.model}."
            )
        reason = f"its run ended in {rollout.stage}: a task failed, or was marked by hand"
        generation = roll_back(services.control, rollout, reason=reason, actor=holder(context), epoch=epoch)
        services.gateway().wait_applied(self.model, generation)
        _mirror(self, services, rollout)
        self._send_alert(read_rollout(services.control, rollout.id), services)
        self.announce_next(context, services)
        return {"champion": rollout.champion, "rolled_back": rollout.challenger, "generation": generation}

    def _send_alert(self, rollout: Rollout, services: Services) -> None:
        words = f"{self.model}: version {rollout.challenger} was rolled back in {rollout.stage}: {rollout.reason}"
        playbook = f"{ROLLOUT}the-canary-was-rolled-back-what-now"
        send_alert(Alert(f"rolled_back/{rollout.id}", "rolled_back", "ticket", self.model, words, playbook), services.control)


class ConcludeRolloutOperator(SlipstreamOperator):
    """The run's state is this task's: success if the version was promoted, skipped if there was nothing to do, else failed."""

    def execute(self, context: Context) -> dict[str, Any]:
        services = open_services()
        rollout = opened_in(context, services, self.model)
        if rollout is None:
            self._without_rollout(context)
        if rollout.live:
            raise ConflictError(
                f"Rollout {rollout.id} of {self.model} version {rollout.challenger} is live, and its run has ended.",
                seen=f"{rollout.state} in {rollout.stage}",
                safe="the traffic stays as it is: nobody moves it any more.",
                hint=f"clear roll_back, or slipstream rollback {self.model}.",
            )
        if rollout.state != "promoted":
            raise GateClosed(  # an alert was sent by what rolled it back
                f"Version {rollout.challenger} of {self.model} was not promoted: {rollout.state} in {rollout.stage}.",
                seen=rollout.reason or None,
                safe=f"version {rollout.champion} serves all traffic." if rollout.champion else "no version serves, as before.",
                hint=f"{ROLLOUT}the-canary-was-rolled-back-what-now",
            )
        if context["ti"].xcom_pull(task_ids="promote") is None:
            raise ConflictError(
                f"Version {rollout.challenger} of {self.model} was promoted, and `promote` did not come to its end.",
                safe="the route is written: every gateway that reads it serves the version.",
                hint="clear promote with its downstream tasks: it waits for the gateway and mirrors the registry again.",
            )
        return {"version": rollout.challenger, "state": rollout.state}

    def _without_rollout(self, context: Context) -> NoReturn:
        if nothing := context["ti"].xcom_pull(task_ids="open", key=NOTHING):
            raise AirflowSkipException(nothing)
        raise GateClosed(
            "This run opened no rollout: its task `open` failed, or was marked before it was done.",
            safe="the traffic is where it was; a version that had no turn waits for one.",
            hint="read the log of `open`, then clear the run, or trigger the DAG with version=N.",
        )


def opened_in(context: Context, services: Services, model: str) -> Rollout | None:
    """The rollout of this run. `open` may have been killed, or marked, between opening it and saying so."""
    from include.rollout.history import opened_by, read_rollout

    opened = context["ti"].xcom_pull(task_ids="open")
    if opened is not None:
        return read_rollout(services.control, opened["rollout"])
    return opened_by(services.control, model, run_token(context, "open"))


def _mirror(operator: RolloutOperator, services: Services, rollout: Rollout) -> None:
    """Copy the stages to the registry's aliases. Traffic never waits for the registry: what it lacks is recorded and reported."""
    from include.governance.mirror import follow

    if problem := follow(services.control, services.labels, operator.model):
        words = f"The registry's aliases of {operator.model} are behind: {problem}"
        operator.log.warning("%s", words)
        send_alert(Alert(f"mirror/{rollout.id}", "registry_behind", "ticket", operator.model, words), services.control)
