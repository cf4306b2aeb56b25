"""Which look is due when, and that a plan survives its JSON."""

from __future__ import annotations

import json
from datetime import timedelta

from include.experiments.plan import Plan
from include.experiments.sample_size import Promise
from tests.support.experiment_log import START, TRIAL

PLAN = Plan(TRIAL, START, "", 700.0, Promise(700.0, 0.6, 0.7, 0.2, None))


def test_a_look_is_due_once_its_entities_have_had_their_horizon() -> None:
    assert PLAN.due(START + timedelta(days=1)) is None
    first = PLAN.due(START + timedelta(days=1, hours=12))
    assert first is not None
    assert (first.day, first.final) == (1, False)
    last = PLAN.due(START + timedelta(days=400))
    assert last is not None
    assert (last.day, last.final, last.cutoff) == (7, True, PLAN.end)


def test_it_survives_its_json() -> None:
    assert Plan.from_json(json.loads(json.dumps(PLAN.to_json()))) == PLAN
