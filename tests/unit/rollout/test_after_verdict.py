"""A canary that has passed and waits: what its evidence becomes meanwhile is judged, told, and acted on once."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.errors import ConflictError
from include.core.time import now
from include.governance.audit import history
from include.rollout import after_verdict as looking
from include.rollout.approval_request import markdown, request
from include.rollout.approvals import approval, approvals_of, waiting_approvals
from include.rollout.endpoint_evidence import Pace
from include.rollout.history import events, verdict_on
from include.rollout.live_view import live_view
from include.rollout.machine import enter_stage, roll_back
from include.rollout.pause import pause, resume
from include.rollout.report import rollout_page
from include.rollout.stage_evaluation import recompute
from include.routing.route import Route, read_route
from tests.support.approval import ANN, BOB, MODEL, say, store_of_versions
from tests.support.waiting import CANARY, Waiting, all_fail, challenger_fails, waiting_spec


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Waiting:
    """Made once, and copied for each test."""
    home = tmp_path_factory.mktemp("waits")
    made = Waiting.made(store_of_versions(home), home, waiting_spec(persons=2))
    made.control.engine.dispose()
    return made


@pytest.fixture
def waits(_made: Waiting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    shutil.copytree(_made.home, tmp_path, dirs_exist_ok=True)
    control = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPSTREAM_CONTROL_URL", control.url)
    made = replace(_made, control=control, home=tmp_path)
    monkeypatch.setattr(looking, "load_spec", lambda name, package: made.spec)
    monkeypatch.setattr(looking, "PACE", Pace(0.0))
    return made


def test_counts_that_grow_change_nothing_that_was_said(waits: Waiting) -> None:
    say(waits.control, waits.asked(), ANN)
    before = waits.asked()
    waits.traffic(3000, salt="more-")
    assert waits.look() is None
    assert looking.look(rollout=waits.rollout.id) is None
    after = waits.asked()
    assert (after.seen, after.missing, after.doubts) == (before.seen, 1, ())
    assert waits.look(now() + timedelta(days=3)) is None  # the deadline of the stage went with its verdict


def test_a_canary_that_goes_bad_is_rolled_back_while_persons_think(waits: Waiting) -> None:
    say(waits.control, waits.asked(), ANN)
    waits.traffic(600, challenger_fails, salt="bad-")
    assert looking.look(rollout=waits.rollout.id) == "turned"
    found = waits.look()
    assert found is not None
    assert looking.withdraw(waits.control, waits.rollout, found, waits.epoch)
    after = waits.now()
    assert after.state == "rolled_back"
    assert after.reason.startswith(f"while approval was awaited, the judge withdrew its verdict on {CANARY}: ")
    assert "errors were the challenger's" in after.reason
    assert read_route(waits.control, MODEL)[1] == Route(champion=1)
    row = next(row for row in history(waits.control, MODEL, limit=9) if row.action == "rollout.roll_back")
    assert (row.actor, row.detail["reason"]) == ("judge", after.reason)
    assert waiting_approvals(waits.control) == []
    assert waits.look() is None


def test_whoever_answers_after_it_hears_why(waits: Waiting) -> None:
    standing = waits.asked()
    waits.traffic(600, challenger_fails, salt="bad-")
    found = waits.look()
    assert found is not None
    looking.withdraw(waits.control, waits.rollout, found, waits.epoch)
    with pytest.raises(ConflictError, match=r"its rollout is over, rolled back \(while approval was awaited, the judge withdrew"):
        say(waits.control, standing, BOB)
    told = approvals_of(waits.control, MODEL, 2)
    assert [each["event"] for each in told] == ["asked", "withdrawn"]
    assert "errors were the challenger's" in told[-1]["reason"]


def test_what_turned_is_computed_again_from_its_evidence(waits: Waiting) -> None:
    waits.traffic(600, challenger_fails, salt="bad-")
    found = waits.look()
    assert found is not None
    assert recompute(found.decision).to_json() == {name: found.decision[name] for name in ("answer", "reasons", "numbers")}
    looking.withdraw(waits.control, waits.rollout, found, waits.epoch)
    assert [each["event"] for each in events(waits.control, waits.rollout.id)][-3:] == ["asked", "withdrawn", "rolled_back"]
    page = rollout_page(waits.now(), events(waits.control, waits.rollout.id))
    assert page.count("computed again from its evidence: the same") == 2  # the verdict that let it pass, and the one after it


def test_a_doubt_makes_void_what_was_approved_before_and_shows_the_request_anew(waits: Waiting) -> None:
    say(waits.control, waits.asked(), ANN)
    before = waits.asked()
    waits.traffic(600, all_fail, salt="incident-")
    assert looking.look(rollout=waits.rollout.id) == "doubted"
    found = waits.look()
    assert found is not None
    looking.doubt(waits.control, waits.rollout, found, waits.epoch, now())
    after = waits.asked()
    assert after.seen != before.seen
    assert (after.missing, [said.person.name for said in after.changed], waits.now().state) == (2, ["ann"], "running")
    with pytest.raises(ConflictError, match=r"is not as it was shown: since .* UTC the judge doubts canary_50, held: the fault"):
        say(waits.control, before, BOB)
    shown = markdown(request(waits.control, after))
    assert re.search(r"UTC the judge would not let it pass canary\\?_50\*\*: held: the fault", shown)
    say(waits.control, after, ANN)
    say(waits.control, after, BOB)  # they have seen it, and decide
    enter_stage(waits.control, waits.rollout, "full_100", waits.epoch)


def test_a_doubt_is_told_once_a_day(waits: Waiting) -> None:
    waits.traffic(600, all_fail, salt="incident-")
    found, today = waits.look(), now()
    assert found is not None
    looking.doubt(waits.control, waits.rollout, found, waits.epoch, today)
    looking.doubt(waits.control, waits.rollout, found, waits.epoch, today)
    seen = waits.asked().seen
    assert waits.look() is None
    assert looking.look(rollout=waits.rollout.id) is None
    assert waits.asked().seen == seen
    tomorrow = waits.look(today + timedelta(days=1))
    assert tomorrow is not None
    looking.doubt(waits.control, waits.rollout, tomorrow, waits.epoch, today + timedelta(days=1))
    standing = waits.asked()
    assert (len(standing.doubts), standing.seen != seen) == (2, True)
    assert [doubt.stage for doubt in standing.doubts] == [CANARY, CANARY]


def test_where_every_entity_has_met_an_error_its_requests_raise_a_doubt(waits: Waiting) -> None:
    """Clients that ask all day: none meets its first error any more, so no count of entities can see the canary go bad."""
    waits.traffic(2400, lambda arm, number: number < 40, salt="few-", entities=40)
    assert waits.look() is None
    waits.traffic(2400, lambda arm, number: arm == "challenger", salt="few-", entities=40)
    found = waits.look()
    assert found is not None
    assert found.what == "doubted"
    assert "newest" in found.words or "of its requests failed" in found.words


def test_the_plan_is_the_verdicts_whatever_the_spec_says_now(waits: Waiting) -> None:
    waits.spec = waits.spec.model_copy(
        update={"rollout": waits.spec.rollout.model_copy(update={"step_requests": 50_000, "margin": 1.01})}
    )
    waits.traffic(300, salt="more-")
    assert waits.look() is None


def test_a_rollout_that_has_gone_on_is_not_taken_back_for_its_last_stage(waits: Waiting) -> None:
    waits.traffic(600, challenger_fails, salt="bad-")
    found = waits.look()
    assert found is not None
    for person in (ANN, BOB):
        say(waits.control, waits.asked(), person)
    enter_stage(waits.control, waits.rollout, "full_100", waits.epoch)
    assert not looking.withdraw(waits.control, waits.rollout, found, waits.epoch)
    assert waits.now().stage == "full_100"
    assert waits.look() is None  # that stage has no verdict yet: its own task judges it


def test_approved_and_not_gone_on_it_is_taken_back_all_the_same(waits: Waiting) -> None:
    for person in (ANN, BOB):
        say(waits.control, waits.asked(), person)
    waits.traffic(600, challenger_fails, salt="bad-")
    found = waits.look()
    assert found is not None
    assert looking.withdraw(waits.control, waits.rollout, found, waits.epoch)
    assert waits.now().reason.startswith("before it went on, the judge withdrew")


def test_a_pause_between_two_stages_blinds_nobody(waits: Waiting) -> None:
    pause(waits.control, MODEL, actor="ann", reason="lunch")
    assert looking.resumed(rollout=waits.rollout.id) is None
    waits.traffic(600, challenger_fails, salt="bad-")
    assert looking.resumed(rollout=waits.rollout.id) == "turned"
    resume(waits.control, MODEL, actor="ann", reason="back")
    assert looking.resumed(rollout=waits.rollout.id) is True


def test_one_that_ended_meanwhile_is_over(waits: Waiting) -> None:
    waits.traffic(600, challenger_fails, salt="bad-")
    found = waits.look()
    assert found is not None
    roll_back(waits.control, waits.rollout, reason="abort", actor="ada", epoch=waits.epoch)
    assert looking.withdraw(waits.control, waits.rollout, found, waits.epoch)
    assert waits.now().reason == "abort"
    assert looking.look(rollout=waits.rollout.id) is None
    standing = approval(waits.control, waits.rollout.id)
    assert standing is not None
    assert not standing.waits


def test_the_page_of_the_live_stage_speaks_of_no_deadline(waits: Waiting) -> None:
    waits.traffic(600, all_fail, salt="incident-")
    told = live_view(waits.control, waits.spec, waits.now(), now() + timedelta(days=2))
    assert (told["answer"], told["deadline"]) == ("insufficient", "")
    assert verdict_on(waits.control, waits.rollout, CANARY) is not None


def test_a_process_looks_at_a_rollout_each_few_seconds(waits: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    monkeypatch.setattr(looking, "PACE", Pace(3600.0))
    monkeypatch.setattr(looking, "after_verdict", lambda *given: looks.append(given[3].id))
    for _ in range(3):
        looking.look(rollout=waits.rollout.id)
    assert looks == [waits.rollout.id]
