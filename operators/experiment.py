"""Tasks of an experiment: started once, looked at each day, ended by its decision. The state is in the control store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core import fault
from include.core.errors import ConflictError, GateClosed, InputError, NotReadyError, one_line
from include.core.time import utc_now
from include.services.services import Services
from operators.alert import Alert, send_alert
from operators.base import ReconcileOperator
from operators.inputs import Input, Inputs, Takes
from operators.run import is_manual, may_deploy, person, run_token, said

if TYPE_CHECKING:
    from include.experiments.look import Seen
    from include.experiments.plan import Look
    from include.experiments.record import ExperimentRecord

PLAYBOOK = "docs/experiments.md#what-an-answer-means"
STARTED = Takes("", "StartExperimentOperator")  # what every task after it takes
PATIENCE = timedelta(hours=6)  # after a look's cutoff, for a gateway that has not shipped its log
LANDING = timedelta(days=3)  # the same for a partition that a metric's table is made of


def await_experiments(context: Context, services: Services, model: str, version: int) -> None:
    """Before a rollout opens: an experiment that holds the traffic, or that it depends on. A person hears why; any other run is
    skipped, and the reconciler makes another once there is nothing to wait for."""
    from include.experiment_state.queries import require_none_in

    try:
        with services.control.transaction() as connection:
            require_none_in(connection, model)
        services.require_experiment(model, version)
    except (ConflictError, GateClosed) as waits:
        if is_manual(context):
            raise
        raise AirflowSkipException(one_line(waits)) from waits


class ExperimentOperator(ReconcileOperator):
    """A task of a model's experiments. Starting it fences off every earlier attempt."""

    def resource(self, context: Context) -> str:
        del context
        return f"experiment/{self.model}"

    def end(self, services: Services, record: ExperimentRecord, ended: Mapping[str, Any]) -> dict[str, Any]:
        """The gateways follow, and somebody is told."""
        from include.experiments.record import read_experiment

        services.target(self.model).wait_applied(self.model, int(ended["generation"]))
        fault.point("experiment.applied")
        kept = read_experiment(services.control, record.id)
        words = f"{self.model}: the experiment {record.name} of version {record.treatment} has ended: {kept.answer or kept.state}"
        text = f"{words}. {'; '.join(kept.decision.get('reasons', ()))}"
        send_alert(Alert(f"experiment/{record.id}", "experiment_ended", "ticket", self.model, text, PLAYBOOK), services.control)
        return {"experiment": record.id, "state": kept.state, "answer": kept.answer, "generation": ended["generation"]}


class StartExperimentOperator(ExperimentOperator):
    """Starts the experiment that the run names by its parameter `experiment`; a run that names none goes on with the live one.

    What was known of the traffic, and the power that follows of it, is fixed and logged before the first entity is in an arm. A
    backfill starts nothing. Returns {"experiment", "name", "version"}, which every task after it takes.

    :param name: the experiment's name in the spec, templated; else the run's parameter `experiment`
    :param version: the version to try, templated; else the run's parameter `version`, else what the spec says

    **Example** ::

        started = StartExperimentOperator(task_id="start", model="flight_delay", name="calibrated")
    """

    template_fields: Sequence[str] = ("name", "version")

    def __init__(self, *, name: str | None = None, version: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name, self.version = name, version

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.experiments.machine import start_experiment
        from include.experiments.planning import make_plan, words
        from include.experiments.record import live_experiment
        from include.experiments.request import find_experiment, treatment_of

        name = said(self.name) or context["params"].get("experiment")
        if not name:
            live = live_experiment(services.control, self.model)
            if live is None:
                raise AirflowSkipException(f"{self.model} has no live experiment, and this run names none to start.")
            return self._follow(services, live, epoch)
        if not may_deploy(context):
            raise AirflowSkipException("A backfill starts no experiment, unless its conf says `deploy`.")
        spec = services.spec(self.model)
        experiment = find_experiment(spec, str(name))
        asked = said(self.version) or context["params"].get("version")
        treatment = treatment_of(services.control, spec, experiment, int(str(asked)) if asked else None)
        services.require_approval(self.model, treatment)
        plan = make_plan(services.prediction_log, self.model, experiment, utc_now(), services.tables(self.model))
        record = start_experiment(
            services.control, self.model, plan, treatment,
            request=run_token(context), actor=person(context), epoch=epoch, spec=spec,
        )  # fmt: skip
        for line in words(record.plan):
            self.log.info("%s", line)
        return self._follow(services, record, epoch)

    def _follow(self, services: Services, record: ExperimentRecord, epoch: int) -> dict[str, Any]:
        """Wait until the gateways draw its arms. One that they refuse to serve is ended: nobody would ever come to its arms."""
        from include.experiments.machine import stop
        from include.routing.route import read_route

        generation, route = read_route(services.control, self.model)
        if route.experiment is not None and route.experiment.id == record.id:
            try:
                services.target(self.model).wait_applied(self.model, generation)
            except GateClosed as refused:
                stop(services.control, record, reason=one_line(refused), actor="experiment", epoch=epoch)
                raise
        fault.point("experiment.applied")
        return {"experiment": record.id, "name": record.name, "version": record.treatment}


class LiveExperimentOperator(ExperimentOperator):
    """A task of one experiment.

    :param experiment: the output of the StartExperimentOperator
    """

    takes: ClassVar[Inputs] = {"experiment": STARTED}
    template_fields: Sequence[str] = ("experiment",)

    def __init__(self, *, experiment: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(experiment=experiment)

    def driven(self, services: Services) -> ExperimentRecord:
        """Raises InputError for an experiment of another model."""
        from include.experiments.record import read_experiment

        record = read_experiment(services.control, str(self.required("experiment")["experiment"]))
        if record.model != self.model:
            raise InputError(f"{self.task_id} is of {self.model}, and was given an experiment of {record.model}.")
        return record


class LookAtExperimentOperator(LiveExperimentOperator):
    """Reads the prediction log up to the newest cutoff that is over, and keeps what it finds. Each look is taken once.

    Returns {"experiment", "day", "answer"}; skips where no look is due. An experiment whose arms somebody took from the route (a
    rollback, a restore) ends here as interrupted.

    **Example** ::

        looked = LookAtExperimentOperator(task_id="look", model="flight_delay", experiment=started.output)
    """

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.experiments.look import due_looks
        from include.experiments.machine import interrupt, record_look
        from include.experiments.record import looks

        record = self.driven(services)
        if (ended := interrupt(services.control, record, epoch=epoch)) is not None:
            self.end(services, record, ended)
            raise AirflowSkipException("A rollback or a restore took its arms from the route: it has ended.")
        if not record.live:
            raise AirflowSkipException(f"The experiment {record.name} is over: {record.state}.")
        due = due_looks(record, looks(services.control, record.id), utc_now())
        if not due:
            raise AirflowSkipException(f"No look at {record.name} is due: the next one is a day after the last.")
        seen = self._newest(services, record, due)
        fault.point("experiment.looked")
        decision = seen.decision.to_json()
        kept = record_look(services.control, record, seen.evidence, decision, epoch)
        self._tell(record, decision)
        return {"experiment": record.id, **kept}

    def _newest(self, services: Services, record: ExperimentRecord, due: Sequence[Look]) -> Seen:
        """Of the newest look for which all is there. Raises NotReadyError where a partition is missing for long."""
        from include.experiments.look import look_at

        waits = ""
        for look in due:
            if not self._shipped(services, record, look):
                waits = waits or "a gateway has not shipped its log"
                continue
            try:
                return look_at(services.prediction_log, record, look, services.tables(self.model))
            except NotReadyError as early:
                if utc_now() >= look.cutoff + LANDING:
                    raise
                waits = waits or one_line(early)
        raise AirflowSkipException(f"The next run looks again: {waits}")

    def _shipped(self, services: Services, record: ExperimentRecord, look: Look) -> bool:
        """Whether nobody's lines are waited for: a gateway that has been late for long is only told of."""
        from include.prediction_log.watermarks import behind

        late = behind(services.prediction_log, record.plan.start, look.cutoff)
        for each in late:
            self.log.warning("The look of day %d may lack requests: %s", look.day, each.words)
        return not late or utc_now() >= look.cutoff + PATIENCE

    def _tell(self, record: ExperimentRecord, decision: Mapping[str, Any]) -> None:
        primary = record.plan.experiment.primary.name
        told = decision["effects"][primary]
        interval = "no interval yet" if told["low"] is None else f"{told['low']:.4g} to {told['high']:.4g}"
        self.log.info("%s: %s %s; %s", record.name, primary, interval, decision["answer"] or "it goes on")


class ConcludeExperimentOperator(LiveExperimentOperator):
    """Ends the experiment once a look has decided: all traffic on the champion, and a decision row with its evidence.

    A version that was found better is not promoted by this: its rollout is (`rollout.experiment` in the spec makes it wait).

    :param looked: the output of the LookAtExperimentOperator, which it follows; what that look kept is read from the store

    **Example** ::

        ConcludeExperimentOperator(task_id="end", model="flight_delay", experiment=started.output, looked=looked.output)
    """

    takes: ClassVar[Inputs] = {
        "experiment": Takes("", "StartExperimentOperator", required=False),
        "looked": Takes("", "LookAtExperimentOperator", required=False),
    }
    template_fields: Sequence[str] = ("experiment", "looked")

    def __init__(self, *, looked: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(looked=looked)

    def reconcile(self, context: Context, services: Services, epoch: int) -> dict[str, Any]:
        from include.experiments.machine import conclude
        from include.experiments.record import looks

        if self.read("experiment") is None:
            raise AirflowSkipException("This run has no experiment: there is nothing to end.")
        record = self.driven(services)
        taken = looks(services.control, record.id)
        if not taken or not taken[-1].decision["answer"]:
            raise AirflowSkipException(f"The experiment {record.name} goes on: nothing is decided yet.")
        return self.end(services, record, conclude(services.control, record, actor=person(context), epoch=epoch))
