"""A rollout's tasks that wait for persons: what Airflow shows, how it is answered, and that no task opens anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred
from airflow.triggers.base import BaseTrigger

from include.core.control import ControlStore, versions
from include.core.errors import GateClosed, TransientError
from include.core.spec import Approval
from include.core.time import timestamp
from include.rollout.after_verdict import Found
from include.rollout.approvals import Answer, approval, approvals_of, decide
from include.rollout.endpoint_evidence import Pace
from include.rollout.history import Rollout, read_rollout
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict
from include.rollout.pause import pause
from include.rollout_state.approval import Person
from include.routing.route import Route, read_route, set_route
from include.services.services import Services
from include.versions.trainer import REGISTERED, TRAINED_BY
from operators.approval_trigger import ApprovalTrigger
from operators.groups.rollout import rollout_group
from operators.persons import APPROVE, REJECT
from operators.traffic import RolloutOperator
from tests.support.operator_runs import MODEL, Run, fired, settle_in
from tests.support.versions import add_candidates
from tests.support.wired import ApprovalOperator, PromoteModelOperator, RolloutStageOperator

SHOWN: list[dict[str, Any]] = []


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Version 2 has passed its canary_50, with version 1 as the champion; two persons are asked before it answers all."""
    made = settle_in(tmp_path, monkeypatch)
    SHOWN.clear()
    monkeypatch.setattr("airflow.sdk.execution_time.hitl.upsert_hitl_detail", lambda **given: SHOWN.append(given))

    def enter(self: RolloutOperator, services: Services, stage: str, epoch: int) -> int:
        return enter_stage(services.control, self.driven(services), stage, epoch)

    monkeypatch.setattr(RolloutOperator, "enter", enter)
    with made.control.transaction() as connection:
        add_candidates(connection, MODEL, 1, 2)
        set_route(connection, MODEL, Route(champion=1))
        made.control.append_audit(connection, "register", REGISTERED, MODEL, {"version": 2, TRAINED_BY: "tom"})
        record = {"metrics": {"auc": 0.71}, "semver": "1.2.0", "as_of": "2013-01-05"}
        connection.execute(versions.update().where(versions.c.version == 2).values(record=record))
    spec = made.spec(MODEL)
    asks = spec.rollout.model_copy(update={"approval": Approval(persons=2, users=("ann", "bob", "tom"))})
    rollout = open_rollout(made.control, spec.model_copy(update={"rollout": asks}), 2, request="r", actor="t", epoch=1)
    for stage in ("smoke", "shadow", "canary_50"):
        enter_stage(made.control, rollout, stage, 1)
        record_verdict(made.control, rollout, stage, {"answer": "promote", "reasons": ["fine"]}, 1)
    return made


def waits(services: Services, task: Any, run: Run | None = None) -> tuple[Run, Rollout, TaskDeferred]:
    rollout = read_rollout(services.control, live(services.control))
    run = run or Run(xcom={"open": {"rollout": rollout.id}})
    with pytest.raises(TaskDeferred) as deferred:
        run.task(task).execute(run.context(task.task_id))
    return run, rollout, deferred.value


def both_approve(services: Services, rollout: Rollout) -> None:
    standing = approval(services.control, rollout.id)
    assert standing is not None
    for name in ("ann", "bob"):
        decide(services.control, MODEL, 2, Answer(True, Person(name, name), "looked", standing.seen, "console"))


def live(control: ControlStore) -> str:
    from include.rollout.history import live_rollout

    found = live_rollout(control, MODEL)
    assert found is not None
    return found.id


def full() -> Any:
    return RolloutStageOperator(task_id="full_100", model=MODEL, stage="full_100")


def event(name: str, chosen: str = APPROVE, reason: str = "the slices are fine") -> dict[str, Any]:
    """As Airflow resumes a task with it."""
    user = {"id": name, "name": name}
    return {
        "chosen_options": [chosen], "params_input": {"reason": reason}, "responded_by_user": user, "responded_at": timestamp(),
        "timedout": False,
    }  # fmt: skip


def answered(run: Run, task: Any, deferred: TaskDeferred, said: dict[str, Any]) -> Any:
    resumed = run.task(task)
    method = getattr(resumed, deferred.method_name)
    return method(run.context(task.task_id), event=said, **(deferred.kwargs or {}))


def again(run: Run, task: Any, deferred: TaskDeferred, said: dict[str, Any]) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as more:
        answered(run, task, deferred, said)
    return more.value


def test_a_dossier_of_what_is_asked_is_kept_before_anybody_is_shown_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[int, str, int]] = []

    def keep(services: Services, rollout: Rollout, actor: str, asked: str) -> None:
        kept.append((rollout.challenger, asked, len(SHOWN)))

    monkeypatch.setattr("operators.persons.keep_dossier", keep)
    _, rollout, _ = waits(services, full())
    standing = approval(services.control, rollout.id)
    assert standing is not None
    assert kept == [(2, standing.seen, 0)]


def test_a_stage_asks_in_airflow_and_waits_without_a_slot(services: Services) -> None:
    _, rollout, deferred = waits(services, full())
    (shown,) = SHOWN
    assert (shown["options"], shown["subject"]) == ([APPROVE, REJECT], f"May version 2 of {MODEL} go on to full_100?")
    assert [user["id"] for user in shown["assigned_users"]] == ["ann", "bob"]  # and not tom, who trained it
    for words in ("training triggered by: tom", "| auc | 0.71 | – |", "| canary_50 | promote | fine |", "2 persons"):
        assert words in shown["body"]
    standing = approval(services.control, rollout.id)
    assert standing is not None
    assert standing.seen[:12] in shown["body"]
    assert deferred.trigger.question == {"rollout": rollout.id, "seen": standing.seen, "told": False}  # type: ignore[attr-defined]
    assert read_route(services.control, MODEL)[1].weight == 50


def test_two_answers_on_airflows_page_let_it_on(services: Services) -> None:
    approve = ApprovalOperator(task_id="approve", model=MODEL)
    run, _, deferred = waits(services, approve)
    deferred = again(run, approve, deferred, event("ann"))
    value = answered(run, approve, deferred, event("bob", reason="I looked at January"))
    assert value["approved_by"] == ["ann", "bob"]
    told = [(each["event"], each["via"], each["reason"]) for each in approvals_of(services.control, MODEL, 2)]
    assert told[1:] == [("approved", "airflow", "the slices are fine"), ("approved", "airflow", "I looked at January")]
    assert run(ApprovalOperator(task_id="approve", model=MODEL)) == value  # cleared: nothing is asked again


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (event("tom"), "triggered the training"), (event("eve"), "may not decide"), (event("ann", reason=""), "needs a reason"),
        (event("ann", chosen="Perhaps"), "one of two"), ({**event("ann"), "responded_by_user": None}, "of nobody"),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_count_is_told_and_asked_again(
    services: Services, caplog: pytest.LogCaptureFixture, said: dict[str, Any], why: str
) -> None:
    run, rollout, deferred = waits(services, full())
    again(run, full(), deferred, said)
    assert why in caplog.text
    assert len(SHOWN) == 2
    assert read_route(services.control, MODEL)[1].weight == 50
    standing = approval(services.control, rollout.id)
    assert standing is not None
    assert standing.missing == 2


def test_a_no_ends_the_task_and_the_rollout(services: Services) -> None:
    run, rollout, deferred = waits(services, full())
    with pytest.raises(GateClosed, match="rejected by ann: the slice of January"):
        answered(run, full(), deferred, event("ann", REJECT, "the slice of January"))
    assert read_rollout(services.control, rollout.id).state == "rolled_back"
    assert read_route(services.control, MODEL)[1] == Route(champion=1)


def test_an_answer_elsewhere_resumes_it_and_a_pause_still_holds_it(services: Services) -> None:
    run, rollout, deferred = waits(services, ApprovalOperator(task_id="approve", model=MODEL))
    both_approve(services, rollout)
    pause(services.control, MODEL, actor="ann", reason="wait")
    approve = ApprovalOperator(task_id="approve", model=MODEL)
    assert again(run, approve, deferred, {"answer": "approved"}).method_name == "go_on"


def test_a_task_that_hears_of_it_after_the_promotion_is_done(services: Services) -> None:
    """Cleared while a stage asked: the answer let the stage on, and all traffic was on the version before this task woke."""
    approve = ApprovalOperator(task_id="approve", model=MODEL)
    run, rollout, deferred = waits(services, approve)
    both_approve(services, rollout)
    enter_stage(services.control, rollout, "full_100", 2)
    record_verdict(services.control, rollout, "full_100", {"answer": "promote", "reasons": ["fine"]}, 2)
    promote(services.control, rollout, actor="t", epoch=2)
    assert answered(run, approve, deferred, {"answer": "over"})["approved_by"] == ["ann", "bob"]


def test_a_version_that_changed_is_shown_anew_by_the_next_try(services: Services) -> None:
    run, _, deferred = waits(services, full())
    with services.control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 2).values(record={"metrics": {"auc": 0.6}}))
    with pytest.raises(TransientError, match="has changed while persons were asked"):
        answered(run, full(), deferred, event("ann"))
    waits(services, full(), run)
    assert "| auc | 0.6 |" in SHOWN[-1]["body"]


def test_marking_and_clearing_tasks_opens_nothing(services: Services) -> None:
    """Marked success, the task of the approval leaves no trace: the next one asks."""
    run, rollout, _ = waits(services, ApprovalOperator(task_id="approve", model=MODEL))
    run.xcom["approve"] = {"approved_by": ["ann", "bob"]}  # whatever its XCom says
    waits(services, full(), run)
    run.xcom["full_100"] = {"stage": "full_100", "answer": "promote"}
    with pytest.raises(GateClosed, match="has no verdict `promote` for full_100"):
        run(PromoteModelOperator(task_id="promote", model=MODEL))
    assert read_route(services.control, MODEL)[1].weight == 50
    assert read_rollout(services.control, rollout.id).stage == "canary_50"


def test_the_trigger_finds_an_answer_of_either_place(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    _, rollout, deferred = waits(services, full())
    trigger = deferred.trigger
    assert isinstance(trigger, BaseTrigger)
    name, given = trigger.serialize()
    assert (name, given["question"]) == (
        "operators.approval_trigger.ApprovalTrigger",
        {"rollout": rollout.id, **given["question"]},
    )
    found = SimpleNamespace(response_received=False, responded_by_user=None)
    monkeypatch.setattr("operators.approval_trigger.get_hitl_detail_content_detail", lambda ti_id: found)
    again = ApprovalTrigger(**{**given, "poll_seconds": 0.0})
    assert asyncio.run(again._look()) is None
    standing = approval(services.control, rollout.id)
    assert standing is not None
    decide(services.control, MODEL, 2, Answer(False, Person("bob", "bob"), "no, not this one", standing.seen, "console"))
    assert fired(again) == {"answer": "over"}
    said = {"response_received": True, "responded_by_user": SimpleNamespace(id="7", name="ann"), "responded_at": "now"}
    found.__dict__.update(said, chosen_options=["Approve"], params_input={"reason": "fine"})
    assert fired(again)["responded_by_user"] == {"id": "7", "name": "ann"}


def test_a_spec_that_asks_persons_shows_it_in_the_graph(services: Services) -> None:
    def tasks(**approval: Any) -> list[str]:
        spec = services.spec(MODEL)
        asks = spec.rollout.model_copy(update={"approval": Approval(**approval)})
        with DAG("d", schedule=None, auto_register=False) as dag:
            rollout_group(spec.model_copy(update={"rollout": asks}), group_id=None)
        return [task.task_id for task in dag.topological_sort()]

    assert "approve" not in tasks(before="none")
    early, late = tasks(before="traffic"), tasks(before="full")
    assert early.index("smoke") < early.index("approve") < early.index("shadow")
    assert late.index("canary_50") < late.index("approve") < late.index("full_100")


def judged(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The judge says it of the canary, whenever it is asked."""
    decision = {"answer": "roll_back", "reasons": ["9 of the first 9 errors were the challenger's"]}

    def look(*given: Any) -> Found | None:
        rollout = read_rollout(given[0], given[3].id)
        return Found("canary_50", what, decision) if rollout.live and rollout.stage == "canary_50" else None  # type: ignore[arg-type]

    monkeypatch.setattr("include.rollout.after_verdict.after_verdict", look)


def test_a_canary_that_turns_bad_ends_the_wait_with_its_reason(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    run, rollout, deferred = waits(services, full())
    judged(monkeypatch, "turned")
    monkeypatch.setattr("include.rollout.after_verdict.PACE", Pace(0.0))
    found = SimpleNamespace(response_received=False, responded_by_user=None)
    monkeypatch.setattr("operators.approval_trigger.get_hitl_detail_content_detail", lambda ti_id: found)
    said = fired(ApprovalTrigger(**{**deferred.trigger.serialize()[1], "poll_seconds": 0.0}))  # type: ignore[index]
    assert said == {"answer": "turned"}
    with pytest.raises(GateClosed, match="is rolled back: while approval was awaited, the judge withdrew its verdict") as ended:
        answered(run, full(), deferred, said)
    assert "nobody needs to answer any more" in str(ended.value)
    assert read_route(services.control, MODEL)[1] == Route(champion=1)
    assert read_rollout(services.control, rollout.id).state == "rolled_back"


def test_a_yes_that_comes_as_the_canary_turns_bad_lets_nothing_on(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    run, rollout, deferred = waits(services, full())
    both_approve(services, rollout)
    judged(monkeypatch, "turned")
    with pytest.raises(GateClosed, match="before it went on, the judge withdrew its verdict"):
        answered(run, full(), deferred, {"answer": "approved"})
    assert read_route(services.control, MODEL)[1] == Route(champion=1)


def test_a_doubt_is_shown_by_the_next_try_while_there_is_one(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run, rollout, deferred = waits(services, full())
    judged(monkeypatch, "doubted")
    with pytest.raises(TransientError, match="or what the judge says of it, has changed"):
        answered(run, full(), deferred, {"answer": "doubted"})
    assert "would not let version 2 pass canary_50 today" in caplog.text
    waits(services, full(), run)
    assert "the judge would not let it pass" in SHOWN[-1]["body"]
    last = run.task(full())
    context = run.context("full_100", try_number=3)
    context["ti"].max_tries = 3
    with pytest.raises(TaskDeferred) as more:  # a killed process needs a try, too: Airflow's page stays as it is
        last.persons_answered(context, event={"answer": "changed"}, **deferred.kwargs)
    assert "answer in the console" in caplog.text
    after = approval(services.control, rollout.id)
    assert after is not None
    assert more.value.trigger.question["seen"] == after.seen != more.value.kwargs["shown"]  # type: ignore[attr-defined,index]


def test_a_pause_after_the_canary_hears_of_it_too(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    approve = ApprovalOperator(task_id="approve", model=MODEL)
    run, rollout, deferred = waits(services, approve)
    both_approve(services, rollout)
    pause(services.control, MODEL, actor="ann", reason="wait")
    paused = again(run, approve, deferred, {"answer": "approved"})
    assert paused.trigger.function == "include.rollout.after_verdict:resumed"  # type: ignore[attr-defined]
    judged(monkeypatch, "turned")
    with pytest.raises(GateClosed, match="while it was paused, the judge withdrew"):
        answered(run, approve, paused, {"answer": "turned"})
    assert read_rollout(services.control, rollout.id).state == "rolled_back"
