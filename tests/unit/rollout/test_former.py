"""Rows of a release that had one reader: every form of them becomes a source of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, rollout_folds
from include.core.errors import PermanentError
from include.core.spec import ModelSpec
from include.rollout.evidence_look import begin_stage, look
from include.rollout.evidence_merge import merged_baseline
from include.rollout.history import Rollout
from include.rollout.machine import enter_stage, open_rollout
from tests.support.evidence import store_former

STAGE = {"stage": "canary_5", "generation": 3, "planned": 40, "shadow": False, "limits": {"latency_p50": 5.0}}
FIRST: dict[str, Any] = {
    "since": 1,
    "cursor": {"a.jsonl": 7},
    "baseline": {"requests": 2, "errors": 1, "labels": 0, "latencies": [1, 2], "scores": [0.5]},
    "stage": {
        **STAGE, "labelled": True, "threshold": 0.5, "joined": True, "clock": 9, "slices": {"requests": [[1], [2]]},
        "seen": {}, "pending": {"ids": "", "units": "", "bits": ""},
    },
}  # fmt: skip


@pytest.fixture
def rollout(control: ControlStore, spec: ModelSpec) -> Rollout:
    opened = open_rollout(control, spec, 2, request="r", actor="t", epoch=1)
    enter_stage(control, opened, "smoke", 1)
    return opened


def test_the_first_version_is_read_and_counts_on(control: ControlStore, rollout: Rollout) -> None:
    store_former(control, rollout.id, FIRST)
    seen = look(control, rollout.id)
    found = seen.merge.evidence()
    assert (found.stage, found.clock, found.champion.requests, found.challenger.requests) == ("canary_5", 9, 1, 2)
    assert (seen.judged, seen.merge.terms.first_known, seen.reported) == (45, False, False)
    baseline = merged_baseline(seen.merge.sources, seen.merge.settled, seen.merge.terms.problem)
    assert (baseline.requests, baseline.latencies, baseline.scores) == (2, [1, 2], [0.5])
    assert look(control, rollout.id).merge.evidence() == found  # it is taken over once


def test_the_first_version_could_lack_fields_that_came_in_later(control: ControlStore, rollout: Rollout) -> None:
    short = {**FIRST, "baseline": {"requests": 4}, "stage": {**FIRST["stage"], "slices": {}}}
    store_former(control, rollout.id, short)
    seen = look(control, rollout.id)
    assert merged_baseline(seen.merge.sources, seen.merge.settled, seen.merge.terms.problem).requests == 4
    assert seen.merge.terms.first_known


def test_one_that_had_counted_no_stage_is_the_champions_answers(control: ControlStore, spec: ModelSpec, rollout: Rollout) -> None:
    store_former(control, rollout.id, {**FIRST, "stage": None})
    begin_stage(control, spec, rollout, "smoke")
    assert look(control, rollout.id).merge.terms.before == 2


def test_what_is_settled_is_stored_with_its_version_and_a_later_one_is_refused(
    control: ControlStore, spec: ModelSpec, rollout: Rollout
) -> None:
    begin_stage(control, spec, rollout, "smoke")
    with control.transaction() as connection:
        stored = connection.execute(sa.select(rollout_folds.c.fold)).scalar_one()
        assert json.loads(json.dumps(stored))["v"] == 4
        connection.execute(rollout_folds.update().values(fold={**stored, "v": 5}))
    with pytest.raises(PermanentError, match=r"The settled evidence of a live rollout at .* has version 5"):
        look(control, rollout.id)
