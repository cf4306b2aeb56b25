from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from include.core.control import ControlStore
from include.core.errors import ApprovalMissing, ConflictError, DataError, GateClosed, NotAllowedError
from include.core.spec import Approval, ModelSpec
from include.governance.audit import history
from include.rollout.approvals import approval, approvals_of, ask, expire, waiting_approvals
from include.rollout.history import events, read_rollout
from include.rollout.machine import enter_stage, promote, record_verdict
from include.rollout.pause import pause, resume
from include.rollout_state.approval import Person, deciders
from include.routing.route import read_route
from tests.support.approval import ANN, BOB, CARL, MODEL, PASS, TRAINER, asking, at_the_gate, evaluated, later, say, trained
from tests.unit.rollout.walks import actions, crowned, opened, walk

TWO = asking(before="full", persons=2)


def test_one_person_lets_it_on_and_is_who_promoted_it(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    rollout, epoch, standing = at_the_gate(control, asking(before="full"))
    assert (standing.gate, standing.missing, standing.waits) == ("full_100", 1, True)
    with pytest.raises(ApprovalMissing, match="waits before full_100 for a person, until"):
        enter_stage(control, rollout, "full_100", epoch)
    done = say(control, standing)
    assert (done.approved, done.missing, waiting_approvals(control)) == (True, 0, [])
    enter_stage(control, rollout, "full_100", epoch)
    record_verdict(control, rollout, "full_100", PASS, epoch)
    promote(control, rollout, actor="the task", epoch=epoch)
    assert read_route(control, MODEL)[1].champion == 2
    row = history(control, MODEL, limit=1)[0]
    assert (row.action, row.actor, row.detail["carried_out_by"]) == ("rollout.promote", "ann (Airflow)", "the task")
    assert deciders(control, MODEL) == {2: ("ann",)}
    told = approvals_of(control, MODEL, 2)
    assert [(each["event"], each["person"] and each["person"]["name"], each["reason"]) for each in told] == [
        ("asked", None, None), ("approved", "ann", "looked at the slices"),
    ]  # fmt: skip
    assert told[1]["seen"] == standing.seen
    assert told[1]["terms"]["persons"] == 1
    assert control.broken_audit_rows() == []
    assert [each["event"] for each in events(control, rollout.id)][-4:] == ["approved", "entered", "verdict", "promoted"]


def test_before_traffic_only_the_smoke_test_passes_alone(control: ControlStore) -> None:
    rollout, epoch, standing = at_the_gate(control, asking(before="traffic"))
    assert standing.gate == "shadow"
    assert read_rollout(control, rollout.id).stage == "smoke"
    with pytest.raises(ApprovalMissing):
        enter_stage(control, rollout, "shadow", epoch)
    say(control, standing)
    walk(control, rollout, epoch)
    promote(control, rollout, actor="t", epoch=epoch)


def test_a_first_version_answers_all_from_its_first_canary_so_that_is_its_gate(control: ControlStore) -> None:
    assert at_the_gate(control, asking(before="full"), 1)[2].gate == "canary_5"


def test_two_persons_are_two_identities_and_neither_trained_it(control: ControlStore) -> None:
    trained(control, 2)
    rollout, epoch, standing = at_the_gate(control, TWO)
    with pytest.raises(NotAllowedError, match="tom triggered the training"):
        say(control, standing, TRAINER)
    assert say(control, standing, ANN).missing == 1
    for same in (ANN, Person("7", " ANN "), Person("Ann", "")):
        with pytest.raises(NotAllowedError, match="has approved version 2 of toy already"):
            say(control, standing, same)
    with pytest.raises(ApprovalMissing, match="approved so far by ann"):
        enter_stage(control, rollout, standing.gate, epoch)
    assert say(control, standing, BOB).missing == 0
    with pytest.raises(ConflictError, match="approved by ann and bob"):
        say(control, standing, CARL)
    enter_stage(control, rollout, standing.gate, epoch)
    assert actions(control).count("approval.refused") == 4


def test_whoever_trained_it_may_say_no(control: ControlStore) -> None:
    trained(control, 2)
    rollout, _, standing = at_the_gate(control, TWO)
    say(control, standing, TRAINER, approve=False, reason="I mixed up the files")
    assert read_rollout(control, rollout.id).state == "rolled_back"


def test_a_no_takes_the_traffic_back_with_its_reason_and_nothing_opens_it_again(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    rollout, epoch, standing = at_the_gate(control, TWO)
    say(control, standing, ANN)
    assert read_route(control, MODEL)[1].weight == 20
    say(control, standing, BOB, approve=False, reason="the slice of January")
    route, state = read_route(control, MODEL)[1], read_rollout(control, rollout.id)
    assert (route.champion, route.weight, state.state) == (1, 0, "rolled_back")
    assert state.reason == "rejected by bob: the slice of January"
    with pytest.raises(ConflictError, match=r"its rollout is over, rolled back \(rejected by bob: the slice of January\)"):
        say(control, standing, CARL)
    with pytest.raises(GateClosed):
        enter_stage(control, rollout, standing.gate, epoch)
    assert [each["event"] for each in approvals_of(control, MODEL, 2)] == ["asked", "approved", "rejected"]


def test_a_role_and_names_are_who_may(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_APPROVERS", "risk=Ann, 42; legal=carl")
    rollout, _, standing = at_the_gate(control, asking(role="risk", users=("dora",)))
    assert rollout.approval is not None
    assert rollout.approval.users == ("dora", "Ann", "42")
    with pytest.raises(NotAllowedError, match="carl may not decide about version 2 of toy: it takes the role 'risk'"):
        say(control, standing, CARL)
    with pytest.raises(NotAllowedError, match="carl may not"):
        say(control, standing, CARL, approve=False)
    monkeypatch.setenv("SLIPSTREAM_APPROVERS", "risk=carl")  # too late: the terms of a live rollout are fixed
    with pytest.raises(NotAllowedError):
        say(control, standing, CARL)
    assert say(control, standing, Person("42", "eve")).missing == 0


def test_an_answer_is_of_what_was_seen(control: ControlStore) -> None:
    evaluated(control, 2, auc=0.7)
    rollout, epoch, standing = at_the_gate(control, TWO)
    say(control, standing, ANN)
    evaluated(control, 2, auc=0.6)  # evaluated again
    with pytest.raises(ConflictError, match="changed since it was shown"):
        say(control, standing, BOB)
    now = approval(control, rollout.id)
    assert now is not None
    assert (now.missing, len(now.changed), now.seen != standing.seen) == (2, 1, True)
    assert "1 given for what the version was before it changed" in now.words
    say(control, now, BOB)
    with pytest.raises(ApprovalMissing):
        enter_stage(control, rollout, now.gate, epoch)
    say(control, now, ANN)
    enter_stage(control, rollout, now.gate, epoch)


def test_the_deadline_ends_it_and_a_yes_after_it_comes_too_late(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout, epoch, standing = at_the_gate(control, asking(deadline=timedelta(hours=1)))
    assert not expire(control, rollout, epoch)
    later(monkeypatch, timedelta(minutes=61))
    with pytest.raises(ConflictError, match="deadline for version 2 of toy has passed"):
        say(control, standing)
    assert expire(control, rollout, epoch)
    after = read_rollout(control, rollout.id)
    assert (after.state, after.reason) == ("rolled_back", "not approved within 1:00:00: it had 0 of 1")
    assert not expire(control, rollout, epoch)


def test_one_that_waits_on_takes_a_yes_after_its_deadline(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout, epoch, standing = at_the_gate(control, asking(deadline=timedelta(hours=1), at_deadline="wait"))
    later(monkeypatch, timedelta(hours=2))
    assert not expire(control, rollout, epoch)
    assert say(control, standing).missing == 0


def test_a_pause_does_not_count_towards_the_deadline(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout, epoch, standing = at_the_gate(control, asking(deadline=timedelta(hours=1)))
    pause(control, MODEL, actor="t", reason="wait")
    later(monkeypatch, timedelta(hours=5))
    assert not expire(control, rollout, epoch)
    say(control, standing)  # a yes is written down; it lets nothing on while the pause lasts
    with pytest.raises(ConflictError, match="paused"):
        enter_stage(control, rollout, standing.gate, epoch)
    resume(control, MODEL, actor="t", reason="go")
    enter_stage(control, rollout, standing.gate, epoch)


def test_the_same_answer_again_changes_nothing(control: ControlStore) -> None:
    _, _, standing = at_the_gate(control, TWO)
    first = say(control, standing, ANN, request="task 1, try 1")
    again = say(control, standing, ANN, request="task 1, try 1")
    assert (first.repeated, again.repeated, again.missing) == (False, True, 1)
    assert actions(control).count("approval.approve") == 1


def test_asking_again_moves_no_deadline(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout, epoch, standing = at_the_gate(control, TWO)
    later(monkeypatch, timedelta(hours=5))
    again = ask(control, rollout, epoch)
    assert again is not None
    assert (again.asked_at, again.until) == (standing.asked_at, standing.until)


def test_nobody_is_asked_too_early_or_without_terms(control: ControlStore, spec: ModelSpec) -> None:
    plain, epoch = opened(control, spec, 3)
    assert plain.approval is None
    assert ask(control, plain, epoch) is None
    with pytest.raises(ConflictError, match="asks nobody"):
        say_about(control, 3)
    with pytest.raises(ConflictError, match="version 3 is being rolled out"):
        say_about(control, 2)


def say_about(control: ControlStore, version: int) -> None:
    from include.rollout.approvals import Answer, decide

    decide(control, MODEL, version, Answer(True, ANN, "fine, all of it", "", "console"))


def test_a_yes_before_the_gate_is_reached_does_not_count(control: ControlStore) -> None:
    rollout, epoch = opened(control, TWO, 2)
    with pytest.raises(ConflictError, match="asks later"):
        say_about(control, 2)
    with pytest.raises(GateClosed, match="has no verdict"):
        ask(control, rollout, epoch)


@pytest.mark.parametrize("reason", ["", "  ", "...", "x" * 2001])
def test_a_decision_has_a_reason(control: ControlStore, reason: str) -> None:
    _, _, standing = at_the_gate(control, TWO)
    with pytest.raises(DataError, match="needs a reason"):
        say(control, standing, reason=reason)


def test_of_a_yes_and_a_no_at_the_same_moment_both_are_kept_or_the_no_alone(control: ControlStore) -> None:
    rollout, epoch, standing = at_the_gate(control, asking())

    def attempt(approve: bool) -> str:
        try:
            say(control, standing, ANN if approve else BOB, approve=approve)
        except ConflictError:
            return "refused"
        return "approved" if approve else "rejected"

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(attempt, [True, False]))
    assert answers in (["approved", "rejected"], ["refused", "rejected"])
    assert read_rollout(control, rollout.id).state == "rolled_back"
    with pytest.raises(GateClosed):
        enter_stage(control, rollout, standing.gate, epoch)


def test_a_spec_says_who_is_asked(spec: ModelSpec) -> None:
    assert spec.rollout.approval == "none"
    assert spec.rollout.persons_asked is None
    assert asking(before="none").rollout.persons_asked is None
    assert TWO.rollout.persons_asked == Approval(before="full", persons=2)
