"""A live stage as it stands: counts against the need, who paused it, rails against their boundaries; and nothing is decided."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, rollout_stages
from include.core.spec import ModelSpec
from include.core.time import instant, now, precise
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.rollout.evidence_look import begin_stage
from include.rollout.history import Rollout, entered, live_rollout
from include.rollout.live_view import live_view
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout.pause import pause, resume
from include.routing.entity_hash import unit
from include.routing.route import Route, set_route
from tests.support.evidence import begun_and_published


@pytest.fixture
def rollout(control: ControlStore, spec: ModelSpec) -> Rollout:
    """In its first canary."""
    with control.transaction() as connection:
        set_route(connection, "toy", Route(champion=1))
    opened = open_rollout(control, spec, 2, request="r", actor="t", epoch=1)
    for stage in ("smoke", "shadow"):
        enter_stage(control, opened, stage, 1)
        record_verdict(control, opened, stage, {"answer": "promote"}, 1)
    enter_stage(control, opened, "canary_5", 1)
    found = live_rollout(control, "toy")
    assert found is not None
    return found


def answer(control: ControlStore, spec: ModelSpec, rollout: Rollout, home: Path, requests: int, failing: int) -> None:
    route, (_, generation) = Route(champion=1, challenger=2, weight=5), entered(control, rollout, "canary_5")
    log = PredictionLog(home, "toy")
    for number in range(requests):
        key = unit(str(number), "toy")
        broken = "boom" if route.arm(key) == "challenger" and number % failing == 0 else None
        log.write([Record(kind="prediction", id=str(number), at=precise(), unit=f"{key:016x}", arm=route.arm(key),
                          generation=generation, score=0.5, error=broken)])  # fmt: skip
    log.close()
    begun_and_published(control, spec, rollout.id, "canary_5", home)


def test_before_the_stage_counts_it_says_so(control: ControlStore, spec: ModelSpec, rollout: Rollout) -> None:
    assert live_view(control, spec, rollout, now())["begun"] is False
    begin_stage(control, spec, rollout, "canary_5")
    told = live_view(control, spec, rollout, now())
    assert (told["begun"], told["requests"], told["rails"]) == (True, 0, [])
    assert told["needed"] > 0
    assert "no gateway has published" in told["words"]


def test_counts_and_rails_grow_and_no_slice_is_made_past_change(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, tmp_path: Path
) -> None:
    answer(control, spec, rollout, tmp_path, 2000, failing=9)
    told = live_view(control, spec, rollout, now())
    assert told["requests"] + told["champion"]["requests"] == 2000
    assert told["rails"]
    for rail in told["rails"]:
        assert len(rail["slices"]) == len(rail["hits"]) == len(rail["limits"])
        assert rail["hits"][-1] == rail["seen"]
        assert rail["limit"] is None or rail["used"] == rail["seen"] / rail["limit"]
    with control.transaction() as connection:
        assert connection.execute(sa.select(rollout_stages.c.judged)).scalar() == 0


def test_who_paused_it_is_named_and_the_deadline_stands_still(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, tmp_path: Path
) -> None:
    answer(control, spec, rollout, tmp_path, 50, failing=100)
    running = live_view(control, spec, rollout, now())
    since, _ = entered(control, rollout, "canary_5")
    assert instant(running["deadline"]) >= instant(since) + spec.rollout.deadline - timedelta(seconds=1)
    paused = live_view(control, spec, pause(control, "toy", actor="ada", reason="lunch"), now())
    assert (paused["paused"]["actor"], paused["paused"]["reason"], paused["deadline"]) == ("ada", "lunch", "")
    assert "paused" not in live_view(control, spec, resume(control, "toy", actor="ada", reason="back"), now())
