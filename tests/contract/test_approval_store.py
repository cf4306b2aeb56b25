"""Persons who answer at the same moment, on both control stores: one order, two different persons, and nothing twice."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from include.core import fault
from include.core.control import ControlStore
from include.core.errors import ConflictError, GateClosed
from include.governance.audit import history
from include.rollout.after_verdict import Found, withdraw
from include.rollout.approval_gate import Standing
from include.rollout.approvals import approval, expire
from include.rollout.history import Rollout, read_rollout
from include.rollout.machine import enter_stage
from include.rollout_state.approval import Person
from include.routing.route import Route, read_route, set_route
from tests.support.approval import ANN, BOB, MODEL, PASS, asking, at_the_gate, later, say, store_of_versions
from tests.support.databases import postgres, url  # noqa: F401  (fixtures)
from tests.support.waiting import CANARY, waiting_spec

TWO = asking(persons=2)


@pytest.fixture
def control(url: str, tmp_path: Path) -> ControlStore:  # noqa: F811
    return store_of_versions(tmp_path, url)


def at_once(*acts: Callable[[], object]) -> list[str]:
    """What became of each: its class name where it was refused."""

    def attempt(act: Callable[[], object]) -> str:
        try:
            act()
        except (ConflictError, GateClosed) as refused:
            return type(refused).__name__
        return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(attempt, acts))


def approved(control: ControlStore) -> int:
    return [row.action for row in history(control, MODEL, limit=50)].count("approval.approve")


def test_two_persons_at_the_same_moment_both_count(control: ControlStore) -> None:
    rollout, epoch, waits = at_the_gate(control, TWO)
    assert at_once(lambda: say(control, waits, ANN), lambda: say(control, waits, BOB)) == ["done", "done"]
    standing = approval(control, rollout.id)
    assert standing is not None
    assert (standing.missing, approved(control)) == (0, 2)
    enter_stage(control, rollout, waits.gate, epoch)
    assert control.broken_audit_rows() == []


def test_one_person_at_the_same_moment_counts_once(control: ControlStore) -> None:
    rollout, epoch, waits = at_the_gate(control, TWO)
    spellings = (ANN, Person("ANN", "ann"), Person("7", "Ann"))
    answers = at_once(*(lambda by=by: say(control, waits, by) for by in spellings))  # type: ignore[misc]
    assert sorted(answers) == ["NotAllowedError", "NotAllowedError", "done"]
    assert approved(control) == 1
    with pytest.raises(GateClosed):
        enter_stage(control, rollout, waits.gate, epoch)


def test_of_more_than_are_asked_at_the_same_moment_as_many_count(control: ControlStore) -> None:
    _, _, waits = at_the_gate(control, asking(persons=1))
    answers = at_once(lambda: say(control, waits, ANN), lambda: say(control, waits, BOB))
    assert sorted(answers) == ["ConflictError", "done"]
    assert approved(control) == 1


def test_a_yes_and_a_no_and_the_next_stage_at_the_same_moment_end_with_the_no(control: ControlStore) -> None:
    rollout, epoch, waits = at_the_gate(control, asking(persons=1))
    answers = at_once(
        lambda: say(control, waits, ANN),
        lambda: say(control, waits, BOB, approve=False),
        lambda: enter_stage(control, rollout, waits.gate, epoch),
    )
    assert answers[1] == "done"
    assert read_rollout(control, rollout.id).state == "rolled_back"
    route = read_route(control, MODEL)[1]
    assert (route.champion, route.weight, route.challenger) == (rollout.champion, 0, None)
    assert control.broken_audit_rows() == []


def test_a_yes_at_the_deadline_is_in_time_or_too_late_and_never_both(
    control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout, epoch, waits = at_the_gate(control, asking(deadline=timedelta(hours=1)))
    later(monkeypatch, timedelta(hours=2))
    yes, _ = at_once(lambda: say(control, waits), lambda: expire(control, rollout, epoch))
    assert yes in ("ConflictError", "GateClosed")
    assert read_rollout(control, rollout.id).state == "rolled_back"
    assert approved(control) == 0


TURNED = Found(CANARY, "turned", {**PASS, "answer": "roll_back", "reasons": ["errors were the challenger's"]})


def at_its_canary(control: ControlStore) -> tuple[Rollout, int, Standing]:
    """One person is asked, and the rollout stands in the canary of which the judge has a word."""
    with control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=1))
    rollout, epoch, waits = at_the_gate(control, waiting_spec())
    assert rollout_stage(control, rollout) == CANARY
    return rollout, epoch, waits


def test_a_yes_the_next_stage_and_the_judge_at_the_same_moment_have_one_outcome(control: ControlStore) -> None:
    rollout, epoch, waits = at_its_canary(control)
    yes, enters, back = at_once(
        lambda: say(control, waits, ANN),
        lambda: enter_stage(control, rollout, waits.gate, epoch),
        lambda: withdraw(control, rollout, TURNED, epoch),
    )
    after, route = read_rollout(control, rollout.id), read_route(control, MODEL)[1]
    if enters == "done":  # the yes was first, and then the stage: the canary that was judged is over
        assert (yes, after.stage, after.live, route.weight) == ("done", waits.gate, True, 100)
    else:
        assert (back, after.state, route.weight, route.champion) == ("done", "rolled_back", 0, rollout.champion)
    assert (yes == "done") == (approved(control) == 1)
    assert control.broken_audit_rows() == []


def test_a_yes_and_the_judge_at_the_same_moment_end_rolled_back(control: ControlStore) -> None:
    rollout, epoch, waits = at_its_canary(control)
    at_once(lambda: say(control, waits, ANN), lambda: withdraw(control, rollout, TURNED, epoch))
    after = read_rollout(control, rollout.id)
    assert (after.state, read_route(control, MODEL)[1].weight) == ("rolled_back", 0)
    assert "the judge withdrew its verdict on canary_50: errors were the challenger's" in after.reason
    assert [row.action for row in history(control, MODEL, limit=50)].count("rollout.roll_back") == 1
    with pytest.raises(GateClosed):
        enter_stage(control, rollout, waits.gate, epoch)


@pytest.mark.thorough
@pytest.mark.parametrize("point", ["after_verdict.withdraw", "after_verdict.withdrawn"])
def test_killed_anywhere_and_looked_at_again_it_is_rolled_back_once(control: ControlStore, point: str) -> None:
    rollout, epoch, _ = at_its_canary(control)
    control.engine.dispose()

    def body() -> None:
        fault.arm(fault.Fault(point, "kill"))
        withdraw(ControlStore(control.url), rollout, TURNED, epoch)

    child = multiprocessing.get_context("fork").Process(target=body)
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    assert read_rollout(control, rollout.id).live  # the transaction is one: nothing of it was done
    assert withdraw(control, rollout, TURNED, epoch)
    assert withdraw(control, rollout, TURNED, epoch)
    assert [row.action for row in history(control, MODEL, limit=50)].count("rollout.roll_back") == 1
    assert read_rollout(control, rollout.id).state == "rolled_back"


def rollout_stage(control: ControlStore, rollout: Rollout) -> str:
    return read_rollout(control, rollout.id).stage


@pytest.mark.thorough
@pytest.mark.parametrize("point", ["approval.decide", "approval.decided", "approval.committed"])
@pytest.mark.parametrize("approve", [True, False])
def test_killed_anywhere_and_said_again_it_is_said_once(control: ControlStore, point: str, approve: bool) -> None:
    rollout, _, waits = at_the_gate(control, TWO)
    control.engine.dispose()  # a child must not share its connections

    def body() -> None:
        fault.arm(fault.Fault(point, "kill"))
        say(ControlStore(control.url), waits, ANN, approve=approve, request="a task's answer")

    child = multiprocessing.get_context("fork").Process(target=body)
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    committed = point == "approval.committed"
    try:
        again = say(control, waits, ANN, approve=approve, request="a task's answer")
        assert again.repeated is committed
    except ConflictError:  # the no has ended it: nobody is asked any more
        assert (committed, approve) == (True, False)
    words = "approval.approve" if approve else "approval.reject"
    assert [row.action for row in history(control, MODEL, limit=50)].count(words) == 1
    assert read_rollout(control, rollout.id).live is approve
    assert control.broken_audit_rows() == []
