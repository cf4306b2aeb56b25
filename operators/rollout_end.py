"""Tasks that end a rollout: promotion, the way back, and what the run was. The last two are teardowns: see `rollout_group`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import AssetAlias, Context
from airflow.sdk.exceptions import AirflowSkipException
from pydantic import JsonValue

from include.core.errors import ConflictError, GateClosed
from include.services.services import Services
from operators.alert import ROLLOUT, Alert, send_alert
from operators.assets import candidate_asset, with_outlet
from operators.base import SlipstreamOperator
from operators.dossier import keep_dossier
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.rollout import NOTHING
from operators.run import holder, left, map_index, run_token
from operators.traffic import OPENED, RolloutOperator, of_model

if TYPE_CHECKING:
    from include.rollout.history import Rollout


class EndingOperator(RolloutOperator):
    """A task that ends a rollout. Whoever waited meanwhile gets a new event: the first one may have been lost."""

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**with_outlet(AssetAlias(f"{model}_waiting"), kwargs), model=model)

    def announce_next(self, context: Context, services: Services) -> None:
        from include.rollout.waiting import waiting

        if waits := waiting(services.control, self.model):
            self.log.info("Waiting for their turn: %s. Version %s is next.", ", ".join(map(str, waits)), waits[0])
            extra: dict[str, JsonValue] = {"version": waits[0]}
            context["outlet_events"][AssetAlias(f"{self.model}_waiting")].add(candidate_asset(self.model), extra=extra)


class PromoteModelOperator(EndingOperator):
    """The challenger becomes the champion; the registry's aliases follow.

    :param rollout: the output of the OpenRolloutOperator

    **Example** ::

        promoted = PromoteModelOperator(task_id="promote", model="flight_delay", rollout=opened.output)
    """

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.rollout.machine import promote

        rollout = self.driven(services)
        services.require_approval(self.model, rollout.challenger)
        generation = promote(services.control, rollout, actor=holder(context), epoch=epoch)
        services.target(self.model).wait_applied(self.model, generation)
        self.mirror(services, rollout)
        words = f"{self.model}: version {rollout.challenger} is in production (before: {rollout.champion or 'none'})"
        send_alert(Alert(f"promoted/{rollout.id}", "promoted", "info", self.model, words), services.control)
        if (kept := keep_dossier(services, rollout, holder(context))) is not None:
            self.log.info("Its dossier is %s in the storage root.", kept.path)
        self.announce_next(context, services)
        return {"champion": rollout.challenger, "previous": rollout.champion, "generation": generation}


class RollBackModelOperator(EndingOperator):
    """Runs at the end of every run, however it ends: a rollout that was not promoted gets all traffic back to the champion.

    A teardown: Airflow lets it run where a person has marked the whole run failed, or success. It is to follow every task of the
    rollout, so that a cleared one brings it with it; `rollout_group` does all that.

    :param rollout: the output of the OpenRolloutOperator

    **Example** ::

        back = RollBackModelOperator(task_id="back", model="flight_delay", rollout=opened.output).as_teardown()
    """

    goes_forward: ClassVar[bool] = False

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.rollout.history import read_rollout
        from include.rollout.machine import roll_back

        rollout = opened_in(self, context, services)
        if rollout is None:
            raise AirflowSkipException("No rollout was opened by this run: there is nothing to roll back.")
        if rollout.state == "promoted":
            raise AirflowSkipException(
                f"Rollout {rollout.id} was promoted: version {rollout.challenger} goes on serving. "
                f"To go back all the same: slipstream rollback {self.model}."
            )
        reason = f"its run ended in {rollout.stage}: a task failed, or was marked by hand"
        generation = roll_back(services.control, rollout, reason=reason, actor=holder(context), epoch=epoch)
        services.target(self.model).wait_applied(self.model, generation)
        self.mirror(services, rollout)
        self._send_alert(read_rollout(services.control, rollout.id), services)
        self.announce_next(context, services)
        return {"champion": rollout.champion, "rolled_back": rollout.challenger, "generation": generation}

    def _send_alert(self, rollout: Rollout, services: Services) -> None:
        words = f"{self.model}: version {rollout.challenger} was rolled back in {rollout.stage}: {rollout.reason}"
        playbook = f"{ROLLOUT}the-canary-was-rolled-back-what-now"
        send_alert(Alert(f"rolled_back/{rollout.id}", "rolled_back", "ticket", self.model, words, playbook), services.control)


class ConcludeRolloutOperator(SlipstreamOperator):
    """The run's state is this task's: success if the version was promoted, skipped if there was nothing to do, else failed.

    :param rollout: the output of the OpenRolloutOperator
    :param promoted: the output of the PromoteModelOperator

    **Example**: a teardown, too, and the one whose failure is the run's ::

        ConcludeRolloutOperator(
            task_id="end", model="flight_delay", rollout=opened.output, promoted=promoted.output
        ).as_teardown(on_failure_fail_dagrun=True)
    """

    takes: ClassVar[Inputs] = {"rollout": OPENED, "promoted": Takes("", "PromoteModelOperator")}
    template_fields = ("rollout", "promoted")

    def __init__(self, *, rollout: Input = None, promoted: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(rollout=rollout, promoted=promoted)

    def execute(self, context: Context) -> dict[str, Any]:
        services = open_services()
        rollout = opened_in(self, context, services)
        if rollout is None:
            self._without_rollout(context)
        if rollout.live:
            raise ConflictError(
                f"Rollout {rollout.id} of {self.model} version {rollout.challenger} is live, and its run has ended.",
                seen=f"{rollout.state} in {rollout.stage}",
                safe="the traffic stays as it is: nobody moves it any more.",
                hint=f"clear the task before this one, which rolls back, or slipstream rollback {self.model}.",
            )
        if rollout.state != "promoted":
            raise GateClosed(  # an alert was sent by what rolled it back
                f"Version {rollout.challenger} of {self.model} was not promoted: {rollout.state} in {rollout.stage}.",
                seen=rollout.reason or None,
                safe=f"version {rollout.champion} serves all traffic." if rollout.champion else "no version serves, as before.",
                hint=f"{ROLLOUT}the-canary-was-rolled-back-what-now",
            )
        if self.read("promoted") is None:
            task = self.given_by_task("promoted") or "the promoting task"
            raise ConflictError(
                f"Version {rollout.challenger} of {self.model} was promoted, and `{task}` did not come to its end.",
                safe="the route is written: every gateway that reads it serves the version.",
                hint=f"clear {task} with its downstream tasks: it waits for the gateway and mirrors the registry again.",
            )
        return {"version": rollout.challenger, "state": rollout.state}

    def _without_rollout(self, context: Context) -> NoReturn:
        task = self.given_by_task("rollout")
        if task and (nothing := left(context, task, NOTHING)):
            raise AirflowSkipException(nothing)
        if task and self._skipped_before(context, task):
            raise AirflowSkipException(f"Nothing was rolled out: what comes before {task} was skipped.")
        opener = f"task `{task}`" if task else "opening task"
        raise GateClosed(
            f"This run opened no rollout: its {opener} failed, or was marked before it was done.",
            safe="the traffic is where it was; a version that had no turn waits for one.",
            hint=f"read the log of the {opener}, then clear the run, or trigger the DAG with version=N.",
        )

    def _skipped_before(self, context: Context, task_id: str) -> bool:
        """Whether the opening task was skipped since what it follows was: there was nothing to learn, say.

        A person who marks the run leaves the same state of a task, and gets no green end for it.
        """
        ti, dag, state = context["ti"], context.get("dag"), getattr(context["dag_run"], "state", "")
        if dag is None or not dag.get_task(task_id).upstream_task_ids or getattr(state, "value", state) != "running":
            return False
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=[task_id], map_index=map_index(context), run_ids=[ti.run_id])
        states = {str(getattr(state, "value", state)) for state in found.get(ti.run_id, {}).values()}
        return states == {"skipped"}


def opened_in(operator: RolloutOperator | ConcludeRolloutOperator, context: Context, services: Services) -> Rollout | None:
    """The rollout of this run. The opening task may have been killed, or marked, between opening it and saying so."""
    from include.rollout.history import opened_by

    opened = operator.read("rollout")
    if opened is not None:
        return of_model(operator, opened, services)
    task = operator.given_by_task("rollout")
    return opened_by(services.control, operator.model, run_token(context, task)) if task else None
