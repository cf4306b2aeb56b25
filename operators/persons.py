"""Persons are asked in Airflow before a rollout goes on: on its page of required actions, without a worker's slot meanwhile.

Whatever becomes of the task, nothing opens by it: the answer is the control store's, and the stage that comes next asks there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, Context, Param

from include.core.errors import ConflictError, DataError, GateClosed, TransientError, one_line
from include.core.time import now
from operators.alert import Alert, send_alert
from operators.dossier import keep_dossier
from operators.links import evidence_url
from operators.run import holder

if TYPE_CHECKING:
    from include.rollout.approval_gate import Standing
    from include.rollout.approvals import Decided
    from include.rollout.history import Rollout
    from include.services.services import Services

log = logging.getLogger(__name__)
POLL_SECONDS = 2.0  # between two looks at whether persons have answered
PLAYBOOK = "docs/approval.md"
APPROVE, REJECT = "Approve", "Reject"
REASON = Param("", type="string", title="Reason", description="What you looked at, and why. It stands beside the version.")


def ask_persons(
    operator: BaseOperator, context: Context, services: Services, rollout: Rollout, shown: str, told: bool
) -> NoReturn:
    """Show the request in Airflow, and wait in the triggerer; the operator's `persons_answered` is what follows.

    :param shown: the digest that this try of the task has shown already; empty where it has shown nothing
    :param told: whether somebody was called because nobody had answered by the deadline
    Raises GateClosed where the deadline has passed and the rollout is rolled back.
    """
    from include.rollout.approvals import ask, expire
    from operators.approval_trigger import ApprovalTrigger  # pydantic models of Airflow's: not while DAG files are parsed

    ti = context["ti"]
    epoch = services.control.take(rollout.resource, holder(context))
    where = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
    standing = ask(services.control, rollout, epoch, where)
    assert standing is not None  # by the terms that it asks by
    if expire(services.control, rollout, epoch):
        raise _too_late(rollout)
    if shown and shown != standing.seen:  # a try shows one request: Airflow keeps its words
        if _has_tries(context):
            raise TransientError(
                f"Version {rollout.challenger} of {rollout.model}, or what the judge says of it, has changed while persons were "
                "asked.",
                safe="no answer is lost: those that were given stand with what they were given for.",
                hint="none: the next try shows what there is to see now.",
            )
        log.error("Airflow's page shows what there was to see before: answer in the console, or by slipstream approve.")
    if standing.is_over(now()):
        _call_somebody(services, standing)
        told = True
    keep_dossier(services, rollout, holder(context), standing.seen)
    _show(context, services, standing)
    _tell(services, standing)
    question = {"rollout": rollout.id, "seen": standing.seen, "told": told}
    operator.defer(
        trigger=ApprovalTrigger(question, str(ti.id), POLL_SECONDS),
        method_name="persons_answered",
        kwargs={"shown": shown or standing.seen, "told": told},
    )


def take_answer(context: Context, services: Services, rollout: Rollout, event: Mapping[str, Any], shown: str) -> Decided | None:
    """Write down what somebody has answered in Airflow; None, and why in the log, where it does not count.

    The event is Airflow's: it has logged the user in, and asked whether they may answer requests of this DAG.
    """
    from include.rollout.approvals import Answer, decide
    from include.rollout_state.approval import Person

    user, chosen = event.get("responded_by_user") or {}, list(event.get("chosen_options") or ())
    params = event.get("params_input") or {}
    by = Person(str(user.get("id") or ""), str(user.get("name") or ""))
    request = f"airflow/{context['ti'].id}/{event.get('responded_at')}"
    answer = Answer(chosen == [APPROVE], by, str(params.get("reason") or ""), shown, "airflow", request)
    try:
        if chosen not in ([APPROVE], [REJECT]):
            raise DataError("An answer is one of two.", seen=chosen, safe="nothing was decided.", hint="answer again.")
        return decide(services.control, rollout.model, rollout.challenger, answer)
    except (ConflictError, DataError, GateClosed) as refused:
        log.error("The answer of %s does not count. %s", by.name or "nobody", one_line(refused))
        return None


def _has_tries(context: Context) -> bool:
    """Whether one may be spent on showing the request anew. The last is left for a process that is killed: a task without tries
    fails, and what is rolled out is rolled back with it."""
    ti = context["ti"]
    return bool(ti.try_number < getattr(ti, "max_tries", ti.try_number + 1))


def _tell(services: Services, standing: Standing) -> None:
    words = f"{standing.rollout.model}: version {standing.rollout.challenger} {standing.words}"
    log.info("%s.", words)
    key = f"approval/{standing.rollout.id}/{standing.seen[:12]}"
    send_alert(Alert(key, "approval_waits", "ticket", standing.rollout.model, words, PLAYBOOK), services.control)


def _too_late(rollout: Rollout) -> GateClosed:
    return GateClosed(
        f"Version {rollout.challenger} of {rollout.model} was not approved in time.",
        safe=f"version {rollout.champion} serves all traffic." if rollout.champion else "no version serves, as before.",
        hint=f'slipstream restore {rollout.model} {rollout.challenger} --reason "..." offers it again.',
    )


def _call_somebody(services: Services, standing: Standing) -> None:
    """The deadline has passed, and the terms say to wait on."""
    words = f"{standing.rollout.model}: version {standing.rollout.challenger} {standing.words}. Nobody has answered in time."
    key = f"approval_overdue/{standing.rollout.id}"
    send_alert(Alert(key, "approval_overdue", "page", standing.rollout.model, words, PLAYBOOK), services.control)


def _show(context: Context, services: Services, standing: Standing) -> None:
    """Airflow's own request for input: who may answer, and what they see. Of one try it is shown once; an answer that did not
    count is taken from it."""
    from airflow.sdk.execution_time.hitl import upsert_hitl_detail

    from include.rollout.approval_request import markdown, request

    shown, rollout = request(services.control, standing), standing.rollout
    reason = {"reason": REASON.serialize()}
    upsert_hitl_detail(
        ti_id=context["ti"].id,
        options=[APPROVE, REJECT],
        subject=f"May version {rollout.challenger} of {rollout.model} go on to {standing.gate}?",
        body=markdown(shown, evidence_url(rollout.model, rollout.id)),
        params=reason,
        assigned_users=[{"id": user, "name": user} for user in _assigned(standing)],
    )


def _assigned(standing: Standing) -> Sequence[str]:
    """Those named, without whoever triggered the training; Airflow refuses others at once. Empty: whoever has the right."""
    return [user for user in standing.terms.users if user.casefold() not in standing.trainers]
