"""Binary rollouts judge as they did before problems had kinds, and a row that was stored then is read and continued."""

from __future__ import annotations

import json

import pytest

from include.core.control import ControlStore
from include.core.spec import ModelSpec
from include.rollout.evidence import Evidence
from include.rollout.evidence_look import look
from include.rollout.evidence_store import Source, fresh_stage, lock_stage, others_clock, read_source, write_source
from include.rollout.judge import judge
from include.rollout.judge_plan import JudgePlan
from include.rollout.machine import enter_stage, open_rollout
from include.rollout.plan import rollout_stages
from tests.support.evidence import store_former
from tests.unit.rollout.stored_rollouts import KNOWN, LOOKS, SPEC, WHOLE, WORLDS, found, kept, looks, records

BODY = json.loads(KNOWN.read_text())


@pytest.mark.parametrize("name", WORLDS)
def test_every_look_finds_what_it_found_before(name: str) -> None:
    for at, seen in looks(WORLDS[name]):
        assert kept(f"{name}: {at}", seen) == BODY["looks"][f"{name}: {at}"]


def test_a_row_of_the_second_version_is_read_and_continued(control: ControlStore, spec: ModelSpec) -> None:
    """It was stored in the middle of a canary; a gateway's rest of its records gives what the whole of them give."""
    rollout = open_rollout(control, spec, 2, request="r", actor="t", epoch=1)
    enter_stage(control, rollout, "smoke", 1)
    store_former(control, rollout.id, BODY["stored"])
    name, _, at_look = WHOLE.partition(": ")
    stage, number = at_look.split()
    place, step = next((at, step) for at, step in enumerate(rollout_stages(SPEC)[1:]) if step.name == stage)
    seen = look(control, rollout.id)
    assert found(seen.merge, step) == BODY["looks"][WHOLE]
    told = list(records(WORLDS[name], place + 2, step.weight, 20 + place))
    with control.transaction() as connection:
        row = lock_stage(connection, rollout.id, alone=False)
        assert row is not None
        source = Source("gateway", "its home")
        published = read_source(connection, rollout.id, source, row)
        assert published.accumulator.cursor == BODY["stored"]["cursor"]
        fresh_stage(published, row, others_clock(connection, rollout.id, row.generation, source.name))
        published.accumulator.add(told[(int(number) + 1) * len(told) // LOOKS :])
        assert write_source(connection, rollout.id, source, published)
    last = f"{name}: {stage} {LOOKS - 1}"
    assert kept(last, found(look(control, rollout.id).merge, step)) == BODY["looks"][last]


def test_a_stored_decision_is_judged_again() -> None:
    stored = BODY["looks"][WHOLE]
    verdict = judge(Evidence.from_json(stored["evidence"]), JudgePlan.from_json(stored["plan"]))
    assert verdict.to_json() == stored["verdict"]
