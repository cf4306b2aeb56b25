"""Evidence of several gateways in one control store, SQLite and PostgreSQL: whoever publishes, dies and looks, in any order."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.core import fault
from include.core.control import ControlStore
from include.core.errors import ConflictError
from include.core.fault import Fault, ResponseLost
from include.prediction_log.record import LABEL, OUTCOME, Record
from include.prediction_log.writer import PredictionLog
from include.rollout import evidence_look, journal
from include.rollout.evidence import Evidence
from include.rollout.evidence_accumulator import StageAccumulator
from include.rollout.evidence_look import begin_stage, look, settle
from include.rollout.evidence_merge import SourceEvidence, StageMerge
from include.rollout.evidence_publisher import EvidencePublisher
from include.rollout.evidence_store import Source, delete_evidence, reporting, set_stage
from include.rollout.history import Rollout
from include.rollout.machine import enter_stage, open_rollout, record_verdict, roll_back
from include.rollout.stage_terms import StageTerms
from include.routing.route import Route, set_route
from tests.support.databases import postgres, url  # noqa: F401  (fixtures)
from tests.support.effort import effort
from tests.support.evidence import store_former
from tests.support.split_logs import CANARY, told
from tests.support.versions import add_candidates
from tests.unit.operators.models.shop.spec import SPEC

Counted = list[tuple[Record, int]]
"""Records, each with the slice that it was counted in."""


COMMITTED = "evidence.publish.committed"
PUBLISHING = ("evidence.publish.read", "evidence.publish.head", "evidence.publish.written", COMMITTED)


@pytest.fixture
def control(url: str) -> ControlStore:  # noqa: F811
    store = ControlStore(url)
    store.create_tables()
    with store.transaction() as connection:
        add_candidates(connection, "shop", 1, 2)
        set_route(connection, "shop", Route(champion=1))
    return store


@pytest.fixture
def live(control: ControlStore) -> tuple[Rollout, StageTerms]:
    """A rollout in its canary, which has begun."""
    rollout = open_rollout(control, SPEC, 2, request="r", actor="t", epoch=1)
    for stage in ("smoke", "shadow"):
        enter_stage(control, rollout, stage, 1)
        record_verdict(control, rollout, stage, {"answer": "promote"}, 1)
    generation = enter_stage(control, rollout, "canary_50", 1)
    terms = replace(CANARY, stage="canary_50", generation=generation, since=1, since_at="2025-12-31T00:00:00+00:00")
    with control.transaction() as connection:
        set_stage(connection, rollout.id, terms)
    return rollout, terms


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (journal, evidence_look):
        monkeypatch.setattr(module, "FULL", 16)
    monkeypatch.setattr(evidence_look, "PARTS", 1)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """What any source counts, as it does."""
    seen: Counted = []

    def watch(name: str) -> None:
        method = getattr(StageAccumulator, name)

        def add(self: StageAccumulator, record: Record) -> None:
            method(self, record)
            seen.append((record, self.slot))

        monkeypatch.setattr(StageAccumulator, name, add)

    watch("add")
    watch("add_label")
    return seen


def records(seed: int, terms: StageTerms, requests: int) -> Iterator[Record]:
    for record in told(np.random.default_rng(seed), terms, requests, 50):
        record.generation = terms.generation if record.generation else 0
        yield record


def publisher(control: ControlStore, home: Path, name: str) -> EvidencePublisher:
    return EvidencePublisher(lambda: control, home, lambda: Source(name, name))


def of_one(terms: StageTerms, counted: Counted) -> Evidence:
    """What a single gateway makes of it: the records in the order of their slices and times."""
    stage = StageAccumulator(terms)
    for record, slot in sorted(counted, key=lambda each: (each[1], each[0].at)):
        stage.judged = slot
        (stage.add_label if record.kind in (LABEL, OUTCOME) else stage.add)(record)
    return StageMerge(terms, [SourceEvidence.of_stage(stage)]).evidence()


@pytest.mark.parametrize("seed", range(effort(1, 12)))
@pytest.mark.usefixtures("small_parts")
def test_gateways_that_die_anywhere_and_looks_at_any_moment_find_what_one_gateway_would(
    control: ControlStore, live: tuple[Rollout, StageTerms], tmp_path: Path, counted: Counted, seed: int
) -> None:
    rollout, terms = live
    rng, kept, judged, before = np.random.default_rng(seed), Counted(), 0, None
    names = [f"gateway-{number}" for number in range(3)]
    logs = {name: PredictionLog(tmp_path / name, "shop") for name in names}
    agents = {name: publisher(control, tmp_path / name, name) for name in names}

    def publish(name: str, dies_at: str = "") -> None:
        counted.clear()
        fault.arm(Fault(dies_at, "lose") if dies_at else None)
        try:
            agents[name].run()
        except ResponseLost:
            agents[name] = publisher(control, tmp_path / name, name)
        finally:
            fault.arm(None)
        if dies_at in ("", COMMITTED):
            kept.extend(counted)

    for record in records(seed, terms, effort(200, 500)):
        logs[names[int(rng.integers(3))]].write([record])
        if rng.random() < 0.12:
            publish(str(rng.choice(names)), str(rng.choice(PUBLISHING)) if rng.random() < 0.3 else "")
        if rng.random() < 0.06:
            look_and_die(control, rollout.id)
            seen = look(control, rollout.id)
            evidence = seen.merge.evidence()
            if before is not None:
                assert past(evidence, judged) == past(before, judged)  # what was judged stays as it was
            before, judged = evidence, seen.judged
            settle(control, rollout.id, seen)
            assert look(control, rollout.id).merge.evidence() == evidence
    for name in names:
        publish(name)
    found = look(control, rollout.id).merge.evidence()
    assert found == of_one(terms, kept)
    assert found.champion.requests + found.challenger.requests == sum(record.kind == "prediction" for record, _ in kept)
    assert sum(record.kind == "prediction" for record, _ in kept) == effort(200, 500)


def look_and_die(control: ControlStore, rollout: str) -> None:
    """A judge's task that is killed in the middle of each of its transactions: nothing of them is there."""
    for point in ("evidence.look.read", "evidence.settle.written"):
        fault.arm(Fault(point, "lose"))
        try:
            settle(control, rollout, look(control, rollout))
        except ResponseLost:
            pass
        finally:
            fault.arm(None)


def past(evidence: Evidence, slices: int) -> dict[str, list[list[int]]]:
    streams = {name: [arm.tolist() for arm in evidence.arms(name, slices)] for name in evidence.slices}
    return {name: arms for name, arms in streams.items() if any(map(any, arms))}


@pytest.mark.usefixtures("small_parts")
def test_old_answers_and_labels_go_and_what_they_showed_stays(
    control: ControlStore, live: tuple[Rollout, StageTerms], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_look, "PENDING", 30)
    rollout, terms = live
    log, agent = PredictionLog(tmp_path, "shop"), publisher(control, tmp_path, "one")
    told_of = list(records(3, terms, 300))
    for first in range(0, len(told_of), 40):
        log.write(told_of[first : first + 40])
        agent.run()
        seen = look(control, rollout.id)
        settle(control, rollout.id, seen)
        assert look(control, rollout.id).merge.evidence() == seen.merge.evidence()
    assert len(seen.merge.answers.rows) < 150
    assert seen.merge.settled.losses


def test_a_gateway_waits_while_the_route_is_ahead_of_the_stage_and_comes_too_late_when_it_is_over(
    control: ControlStore, live: tuple[Rollout, StageTerms], tmp_path: Path
) -> None:
    rollout, terms = live
    log, agent = PredictionLog(tmp_path, "shop"), publisher(control, tmp_path, "one")
    agent.run()
    record_verdict(control, rollout, "canary_50", {"answer": "promote"}, 1)
    generation = enter_stage(control, rollout, "full_100", 1)
    ask = Record("prediction", "a", "2026-01-01T00:00:00.000000+00:00", unit="1", arm="challenger", score=0.5)
    ask.generation = generation
    log.write([ask])
    agent.run()
    assert look(control, rollout.id).merge.clock == 0
    with control.transaction() as connection:
        set_stage(connection, rollout.id, replace(terms, stage="full_100", generation=generation))
    assert not look(control, rollout.id).reported
    agent.run()
    seen = look(control, rollout.id)
    assert (seen.merge.clock, seen.reported) == (1, True)
    assert [(each.source, each.requests) for each in reporting(control, rollout.id, generation)] == [("one", 1)]
    roll_back(control, rollout, reason="test", actor="t", epoch=1)
    log.write([ask])
    agent.run()
    assert reporting(control, rollout.id, generation) == []


def test_nothing_is_written_where_nothing_changed_and_a_second_agent_of_a_home_is_refused(
    control: ControlStore, live: tuple[Rollout, StageTerms], tmp_path: Path
) -> None:
    rollout, terms = live
    agent, other = publisher(control, tmp_path, "one"), publisher(control, tmp_path, "one")
    for each in (agent, agent, other):
        each.run()
    (known,) = look(control, rollout.id).merge.own
    log = PredictionLog(tmp_path, "shop")
    log.write(list(records(1, terms, 5)))
    agent.run()
    log.write(list(records(2, terms, 5)))
    with pytest.raises(ConflictError, match="one agent works for a home"):
        other.run()
    other.run()  # it goes on from what the first has published
    assert look(control, rollout.id).merge.clock == known.clock + 10


def test_a_home_that_was_moved_is_not_counted_again(
    control: ControlStore, live: tuple[Rollout, StageTerms], tmp_path: Path
) -> None:
    """On another machine it has another number, and the same log."""
    rollout, terms = live
    log = PredictionLog(tmp_path, "shop")
    log.write(list(records(1, terms, 5)))
    for name in ("one", "another"):
        EvidencePublisher(lambda: control, tmp_path, lambda name=name: Source(name, "one")).run()  # type: ignore[misc]
    seen = look(control, rollout.id).merge
    assert (seen.clock, len(seen.own)) == (5, 2)


def _publish_until(address: str, home: Path, name: str, stop: Path, dies_at: str) -> None:
    fault.arm(Fault(dies_at, "kill", skip=2) if dies_at else None)
    agent = publisher(ControlStore(address), home, name)
    while not stop.exists():
        agent.run()
        time.sleep(0.02)
    agent.run()


def test_of_two_processes_that_publish_one_is_killed_again_and_again(
    control: ControlStore, live: tuple[Rollout, StageTerms], tmp_path: Path
) -> None:
    rollout, terms = live
    stop, fork = tmp_path / "stop", multiprocessing.get_context("fork")
    logs = {name: PredictionLog(tmp_path / name, "shop") for name in ("steady", "killed")}

    def start(name: str, dies_at: str = "") -> multiprocessing.process.BaseProcess:
        made = fork.Process(target=_publish_until, args=(control.url, tmp_path / name, name, stop, dies_at))
        made.start()
        return made

    steady = start("steady")
    waiting = iter(records(7, terms, 300))
    for dies_at in PUBLISHING[1:]:
        killed = start("killed", dies_at)
        while killed.is_alive():
            for name in logs:
                logs[name].write(list(islice(waiting, 5)) or [beyond(terms)])
            killed.join(0.05)
        assert killed.exitcode == -9
    rest = list(waiting)
    logs["steady"].write(rest)
    again = start("killed")
    stop.touch()
    for each in (steady, again):
        each.join(60)
        assert each.exitcode == 0
    written = sum(segment.read_bytes().count(b'"kind":"prediction"') for segment in tmp_path.glob("*/predictions/shop/*.jsonl"))
    assert written >= 300
    assert look(control, rollout.id).merge.clock == written


def test_of_many_who_begin_a_stage_or_take_over_an_old_row_one_does(control: ControlStore) -> None:
    rollout = open_rollout(control, SPEC, 2, request="r", actor="t", epoch=1)
    enter_stage(control, rollout, "smoke", 1)
    record_verdict(control, rollout, "smoke", {"answer": "promote"}, 1)
    generation = enter_stage(control, rollout, "shadow", 1)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: begin_stage(control, SPEC, rollout, "shadow"), range(6)))
        assert look(control, rollout.id).merge.terms.generation == generation
        with control.transaction() as connection:
            delete_evidence(connection, rollout.id)
        store_former(control, rollout.id, old_row(generation))
        seen = list(pool.map(lambda _: look(control, rollout.id).merge.clock, range(6)))
    assert seen == [9] * 6


def test_a_stage_whose_beginning_was_cut_off_is_begun_by_the_next(control: ControlStore) -> None:
    rollout = open_rollout(control, SPEC, 2, request="r", actor="t", epoch=1)
    generation = enter_stage(control, rollout, "smoke", 1)
    fault.arm(Fault("evidence.stage.begun", "lose"))
    try:
        with pytest.raises(ResponseLost):
            begin_stage(control, SPEC, rollout, "smoke")
    finally:
        fault.arm(None)
    with pytest.raises(ConflictError, match="has no stage to judge yet"):
        look(control, rollout.id)
    begin_stage(control, SPEC, rollout, "smoke")
    assert look(control, rollout.id).merge.terms.generation == generation


def old_row(generation: int) -> dict[str, Any]:
    """As the release before stored it: version 3."""
    nothing = {"ids": "", "units": "", "arms": "", "said": ""}
    stage = {
        "stage": "shadow", "generation": generation, "planned": 40, "shadow": True, "limits": {}, "labelled": False,
        "threshold": 0.5, "joined": False, "before": 0, "before_errors": 0, "clock": 9, "gap": 1.5, "gaps": 3,
        "slices": {"requests": [[], [9]]}, "seen": {}, "pending": nothing, "problem": {}, "first_labels": False,
    }  # fmt: skip
    baseline = {"requests": 2, "errors": 0, "labels": 0, "latencies": [1], "scores": [0.5], "losses": [], "pending": nothing}
    return {"v": 3, "since": 1, "cursor": {}, "baseline": baseline, "stage": stage, "problem": {}}


def beyond(terms: StageTerms) -> Record:
    """One more where the log is told."""
    return Record(
        "prediction", "more", "2026-02-01T00:00:00.000000+00:00", unit="5", arm="champion", generation=terms.generation, score=0.5
    )
