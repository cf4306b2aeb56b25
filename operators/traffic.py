"""What every task of a rollout does: it is fenced, waits out a pause or the persons who are asked, and mirrors the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import Context

from include.core import fault
from include.core.errors import ApprovalMissing, GateClosed, InputError, PausedError, one_line
from include.core.request import Json
from include.services.services import Services
from operators.alert import Alert, send_alert
from operators.base import ReconcileOperator, SlipstreamOperator
from operators.hooks import open_services
from operators.inputs import Input, Inputs, Takes
from operators.judged_again import judge_again
from operators.persons import ask_persons, take_answer
from operators.triggers import QuestionTrigger

if TYPE_CHECKING:
    from include.rollout.history import Rollout

EVALUATE_SECONDS = 1.0  # seconds between two looks at a stage's evidence
ASK_AGAIN = 86_400.0  # seconds after which a task that waits out a pause is started afresh
OPENED = Takes("", "OpenRolloutOperator")  # what every task after it takes


class TrafficOperator(ReconcileOperator):
    """A task that may move a model's traffic. Starting it fences off every earlier attempt to."""

    def resource(self, context: Context) -> str:
        return f"rollout/{self.model}"

    def mirror(self, services: Services, rollout: Rollout) -> None:
        """Copy the stages to the registry's aliases. Traffic never waits for it: what it lacks is recorded and reported."""
        from include.governance.mirror import follow

        if problem := follow(services.control, services.labels, self.model):
            words = f"The registry's aliases of {self.model} are behind: {problem}"
            self.log.warning("%s", words)
            send_alert(Alert(f"mirror/{rollout.id}", "registry_behind", "ticket", self.model, words), services.control)


class RolloutOperator(TrafficOperator):
    """A task of one rollout.

    While the rollout is paused, or where persons have to let it on, it waits in the triggerer, and then does all of its work
    again: that is repeatable.

    :param rollout: the output of the OpenRolloutOperator; its rollout is driven by the run of this task
    """

    takes: ClassVar[Inputs] = {"rollout": OPENED}
    goes_forward: ClassVar[bool] = True
    template_fields = ("rollout",)

    def __init__(self, *, rollout: Input = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.take(rollout=rollout)

    def execute(self, context: Context) -> dict[str, Any]:
        return self.attempt(context)

    def attempt(self, context: Context, shown: str = "", told: bool = False) -> dict[str, Any]:
        self._judge_again(context)
        try:
            return super().execute(context)
        except PausedError as paused:
            self.wait_until_resumed(context, paused)
        except ApprovalMissing:
            services = open_services()
            ask_persons(self, context, services, self.driven(services), shown, told)

    def persons_answered(self, context: Context, event: Mapping[str, Any], shown: str = "", told: bool = False) -> Json:
        """Somebody has answered in Airflow, or the control store says how it stands. An answer that does not count is told in
        the log and the audit, and they are asked again. `shown`, `told`: see `ask_persons`."""
        if "chosen_options" in event:
            services = open_services()
            take_answer(context, services, self.driven(services), event, shown)
        return self.attempt(context, shown, told)

    def go_on(self, context: Context, event: Mapping[str, Any]) -> Json:
        """The pause is over, or the judge has something to say, as the trigger says; the control store is asked again."""
        del event
        return self.execute(context)

    def _judge_again(self, context: Context) -> None:
        """Before it goes on from a stage in which it was left for persons or by a pause. Raises GateClosed where it may not."""
        if not self.goes_forward:
            return
        services = open_services()
        rollout = self.driven(services)
        if rollout.approval is not None or rollout.state == "paused":
            judge_again(context, services, rollout)

    def wait_until_resumed(self, context: Context, paused: PausedError) -> NoReturn:
        """In the triggerer. Whether it is paused still is for the trigger to ask: here it may have ended just now."""
        self.log.warning("Waiting: %s", one_line(paused))
        question = {"rollout": self.required("rollout")["rollout"]}
        self.defer(
            trigger=QuestionTrigger("include.rollout.after_verdict:resumed", question, ASK_AGAIN, EVALUATE_SECONDS),
            method_name="go_on",
        )

    def driven(self, services: Services) -> Rollout:
        """The rollout that this task drives. Raises InputError if there is none, or if it is another model's."""
        return of_model(self, self.required("rollout"), services)

    def enter(self, services: Services, stage: str, epoch: int) -> int:
        """Set the stage's route, begin to count, and wait until the gateway serves it. Returns the route's generation."""
        from include.rollout.evidence_look import begin_stage
        from include.rollout.machine import enter_stage

        rollout = self.driven(services)
        generation = enter_stage(services.control, rollout, stage, epoch)
        if rollout.find(stage).judged:
            begin_stage(services.control, services.spec(self.model), rollout, stage)
        services.target(self.model).wait_applied(self.model, generation)
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


def of_model(operator: SlipstreamOperator, opened: Mapping[str, Any], services: Services) -> Rollout:
    """The rollout that an opening task named. Raises InputError for what none has returned, and for another model's."""
    from include.rollout.history import read_rollout

    if "rollout" not in opened:
        raise InputError(
            f"The input 'rollout' of {operator.task_id} names no rollout.",
            seen=dict(opened),
            safe="nothing was changed.",
            hint="pass rollout=opened.output, where opened is an OpenRolloutOperator.",
        )
    rollout = read_rollout(services.control, str(opened["rollout"]))
    if rollout.model != operator.model:
        raise InputError(
            f"The input 'rollout' of {operator.task_id} is of the model {rollout.model!r}, the task of {operator.model!r}.",
            seen=rollout.id,
            safe="nothing was changed.",
            hint=f"pass the output of the OpenRolloutOperator with model={operator.model!r}.",
        )
    return rollout
