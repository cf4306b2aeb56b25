"""A model trained elsewhere, whose features come with each request: registered, rolled out, asked at a real gateway."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.handover.register import register
from include.prediction_log.reader import read_records
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict
from include.rollout.restore import restore
from include.rollout.smoke import smoke_test
from include.services.services import Services
from tests.support.gateway_world import World, eventually
from tests.support.parcel import ROUTES, SEA, write_parcel
from tests.support.unmanaged.parcel.spec import SPEC

MODEL = "parcel"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, {"SLIPSTREAM_MODELS": "tests.support.unmanaged", "SLIPSTREAM_REGISTRY": "folder"})
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


def score(weight: float, route: str, slope: float) -> float:
    return 1 / (1 + math.exp(-(slope * (weight - 1) + (SEA if route == "sea" else 0))))


def rolled_out(world: World, version: int) -> None:
    """Through the state machine, as its DAG's tasks go."""
    epoch = world.control.take(f"rollout/{MODEL}", "test")
    rollout = open_rollout(world.control, SPEC, version, request=f"test-{version}", actor="test", epoch=epoch, by_hand=True)
    client = world.client()
    for stage in ("smoke", "shadow", "canary_50", "full_100"):
        client.wait_applied(MODEL, enter_stage(world.control, rollout, stage, epoch))
        if stage == "smoke":
            assert len(smoke_test(client, SPEC, version)["scores"]) == 4
        record_verdict(world.control, rollout, stage, {"answer": "promote", "reasons": []}, epoch)
    client.wait_applied(MODEL, promote(world.control, rollout, actor="test", epoch=epoch))


def test_it_is_rolled_out_and_answers_from_the_request_alone(world: World, tmp_path: Path) -> None:
    services = Services.from_env(world.environ)
    client = world.start()
    for version, slope in ((1, 1.0), (2, 3.0)):
        given = write_parcel(tmp_path / f"{slope}.onnx", slope)
        done = register(MODEL, given, services=services, categories=ROUTES, by="ada")
        assert (done.version, str(done.record.stage)) == (version, "Staging")
        restore(world.control, services.ledger, MODEL, version, actor="ada", reason="its vendor measured it", despite_gate=True)
        rolled_out(world, version)
    for weight, route in ((1.0, "air"), (1.2, "sea"), (0.4, "by camel")):  # a route that nobody named is no sea
        answer = client.predict(MODEL, {}, {"weight": weight, "route": route})
        assert answer["version"] == 2
        assert answer["degraded"] == []
        assert answer["score"] == pytest.approx(score(weight, route, 3.0), abs=1e-6)
    answer = client.predict(MODEL, {}, {"route": None}, request_id="parcel-1")
    assert answer["score"] == pytest.approx(score(1.0, "air", 3.0), abs=1e-6)  # the default weight
    client.feedback(MODEL, [{"id": "parcel-1", "label": 1}])
    logged = eventually(lambda: [one for one in read_records(world.home, MODEL) if one.id == "parcel-1" and one.kind == "label"])
    assert logged[0].label == 1.0
