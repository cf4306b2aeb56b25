"""Binary rollouts judge as they did before problems had kinds, and a row that was stored then is read and continued."""

from __future__ import annotations

import json

import pytest

from include.rollout.accumulator_store import FORMAT
from include.rollout.evidence import Evidence
from include.rollout.evidence_accumulator import EvidenceAccumulator
from include.rollout.judge import judge
from include.rollout.judge_plan import JudgePlan
from include.rollout.plan import rollout_stages
from tests.unit.rollout.stored_rollouts import KNOWN, LOOKS, SPEC, WHOLE, WORLDS, found, kept, looks, records

BODY = json.loads(KNOWN.read_text())


@pytest.mark.parametrize("name", WORLDS)
def test_every_look_finds_what_it_found_before(name: str) -> None:
    for look, _, seen in looks(WORLDS[name]):
        assert kept(f"{name}: {look}", seen) == BODY["looks"][f"{name}: {look}"]


def test_a_row_of_the_second_version_is_read_and_continued() -> None:
    """It was stored in the middle of a canary; the rest of its records give what the whole of them give."""
    accumulator = EvidenceAccumulator.from_json(FORMAT.read(BODY["stored"]))
    name, look = WHOLE.split(": ")
    stage, number = look.split()
    place, step = next((at, step) for at, step in enumerate(rollout_stages(SPEC)[1:]) if step.name == stage)
    assert found(accumulator, step) == BODY["looks"][WHOLE]
    told = list(records(WORLDS[name], place + 2, step.weight, 20 + place))
    accumulator.add(told[(int(number) + 1) * len(told) // LOOKS :])
    last = f"{name}: {stage} {LOOKS - 1}"
    assert kept(last, found(accumulator, step)) == BODY["looks"][last]


def test_a_stored_decision_is_judged_again() -> None:
    stored = BODY["looks"][WHOLE]
    verdict = judge(Evidence.from_json(stored["evidence"]), JudgePlan.from_json(stored["plan"]))
    assert verdict.to_json() == stored["verdict"]
