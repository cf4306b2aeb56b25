"""A live rollout's evidence as it is stored: every field by name, and what an earlier release stored is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from include.rollout.accumulator_store import FORMAT, load_accumulator, save_accumulator

from include.core.control import ControlStore
from include.core.errors import PermanentError
from include.core.spec import ModelSpec
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.machine import enter_stage, open_rollout

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


def test_every_attribute_is_stored_by_name_and_read_again() -> None:
    """A field that somebody adds or renames has to be named there, too."""
    accumulator = EvidenceAccumulator.from_json(FORMAT.read(FIRST))
    assert accumulator.stage is not None
    body = accumulator.to_json()
    assert set(body) == set(vars(accumulator))
    assert set(body["stage"]) == set(vars(accumulator.stage))
    assert set(body["baseline"]) == set(vars(accumulator.baseline))
    again = EvidenceAccumulator.from_json(json.loads(json.dumps(body)))
    assert (again.baseline, again.cursor, again.since) == (accumulator.baseline, accumulator.cursor, accumulator.since)
    assert again.stage is not None
    assert {**vars(again.stage), "seen": None} == {**vars(accumulator.stage), "seen": None}


def test_the_first_version_could_lack_fields_that_came_in_later() -> None:
    assert EvidenceAccumulator.from_json(FORMAT.read({**FIRST, "stage": None})).stage is None
    short = {**FIRST, "baseline": {"requests": 4}}
    assert EvidenceAccumulator.from_json(FORMAT.read(short)).baseline.requests == 4
    read = EvidenceAccumulator.from_json(FORMAT.read(FIRST)).stage
    assert read is not None
    assert (read.before, read.gap, read.clock) == (0, 0.0, 9)


def test_it_is_stored_with_its_version_and_a_later_one_is_refused(control: ControlStore, spec: ModelSpec) -> None:
    rollout = open_rollout(control, spec, 2, request="r", actor="t", epoch=1)
    enter_stage(control, rollout, "smoke", 1)
    stage = StageAccumulator("smoke", 1, 40, False, {}, False, 0.5, False)
    assert save_accumulator(control, rollout.id, "smoke", 0, EvidenceAccumulator(1, {}, stage=stage))
    with control.engine.begin() as connection:
        stored = json.loads(connection.exec_driver_sql("SELECT fold FROM slipstream_rollout_folds").scalar_one())
        assert stored["v"] == FORMAT.version
        later = json.dumps({**stored, "v": FORMAT.version + 1})
        connection.exec_driver_sql("UPDATE slipstream_rollout_folds SET fold = ?", (later,))
    with pytest.raises(PermanentError, match=r"The evidence that a live rollout has read at .* has version 4"):
        load_accumulator(control, rollout.id)
