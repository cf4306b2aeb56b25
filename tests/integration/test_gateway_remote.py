"""Versions on other servers, in the life of any version: a stub as strict as Triton, and a second gateway of ours.

Registered, rolled out by shadow, canary and promotion, asked at a real gateway; then the server is slow, wrong and gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.handover.register import Registered, register
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict
from include.rollout.restore import restore
from include.rollout.smoke import smoke_test
from include.services.services import Services
from include.serving.client import GatewayClient
from tests.support.gateway_world import TOKEN, World, eventually
from tests.support.oip_stub import Stub
from tests.support.parcel import ROUTES, write_parcel
from tests.support.unmanaged.parcel.spec import SPEC

MODEL = "parcel"
PLACES = {"SLIPSTREAM_MODELS": "tests.support.unmanaged", "SLIPSTREAM_REGISTRY": "folder"}
SEA = {"weight": 2.0, "route": "sea"}  # the stub says .7


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        if world.process is not None and world.process.poll() is None:
            world.stop()


def taken(world: World, given: str | Path) -> Registered:
    """Registered, and let through the gate that no labelled row has opened."""
    services = Services.from_env(world.environ)
    done = register(MODEL, given, services=services, categories=ROUTES, by="ada")
    restore(world.control, services.ledger, MODEL, done.version, actor="ada", reason="measured elsewhere", despite_gate=True)
    return done


def rolled_out(world: World, version: int, shadow: int = 0) -> None:
    """Through the state machine, as its DAG's tasks go; `shadow`: copies that the shadow must have scored."""
    epoch = world.control.take(f"rollout/{MODEL}", "test")
    rollout = open_rollout(world.control, SPEC, version, request=f"test-{version}", actor="test", epoch=epoch, by_hand=True)
    client = world.client()
    for stage in ("smoke", "shadow", "canary_50", "full_100"):
        client.wait_applied(MODEL, enter_stage(world.control, rollout, stage, epoch))
        if stage == "smoke":
            assert len(smoke_test(client, SPEC, version)["scores"]) == 4
        if stage == "shadow" and shadow:
            asked(client, shadow)
            eventually(lambda: len(of_kind(world, "shadow", version)) >= shadow)
        if stage == "canary_50":
            answers = asked(client, 24)
            assert not [each for each in answers if each["degraded"]]
            assert version in {each["version"] for each in answers}
        record_verdict(world.control, rollout, stage, {"answer": "promote", "reasons": []}, epoch)
    client.wait_applied(MODEL, promote(world.control, rollout, actor="test", epoch=epoch))


def asked(client: GatewayClient, count: int) -> list[dict[str, Any]]:
    return [client.predict(MODEL, {}, SEA) for _ in range(count)]


def of_kind(world: World, kind: str, version: int) -> list[Record]:
    return [each for each in read_records(world.home, MODEL) if each.kind == kind and each.version == version and not each.error]


def test_a_triton_like_server_in_a_rollout_then_slow_wrong_and_gone(worlds: list[World], tmp_path: Path) -> None:
    with Stub() as stub:
        world = World(tmp_path / "near", {**PLACES, **stub.variable})
        worlds.append(world)
        client = world.start()
        taken(world, write_parcel(tmp_path / "local.onnx"))
        rolled_out(world, 1)
        done = taken(world, "oip://triton/late/versions/3?timeout_ms=400")
        assert done.version == 2
        rolled_out(world, 2, shadow=6)

        answer = client.predict(MODEL, {}, SEA)
        assert (answer["version"], answer["degraded"]) == (2, [])
        assert answer["score"] == pytest.approx(0.7)
        many = client.predict_batch(MODEL, [{"entity": {}, "features": SEA}] * 20)
        assert {each["version"] for each in many} == {2}
        assert max(stub.batches) == stub.max_batch
        assert client.infer(MODEL, 2, [SEA])[0] == [pytest.approx(0.7)]

        for name, value in (("delay", 1.0), ("status", 500), ("score", too_large)):
            before = getattr(stub, name)
            setattr(stub, name, value)
            answer = client.predict(MODEL, {}, SEA)
            assert (answer["version"], answer["degraded"]) == (1, ["champion"]), name
            setattr(stub, name, before)
            eventually(lambda: client.predict(MODEL, {}, SEA)["version"] == 2)
        world.stop()
    client = world.start()  # the server is gone before the gateway begins
    refused = eventually(lambda: client.status()["models"][MODEL]["refused"])
    assert "waits for its server" in refused["2"]
    answer = client.predict(MODEL, {}, SEA)
    assert (answer["version"], answer["degraded"]) == (1, ["champion"])
    with Stub(port=stub.port):
        eventually(lambda: client.predict(MODEL, {}, SEA)["version"] == 2)


def test_another_gateway_of_ours_serves_a_version(worlds: list[World], tmp_path: Path) -> None:
    far = World(tmp_path / "far", PLACES)
    worlds.append(far)
    far.start()
    taken(far, write_parcel(tmp_path / "far.onnx", 3.0))
    rolled_out(far, 1)
    near = World(tmp_path / "near", {**PLACES, "AIRFLOW_CONN_SLIPSTREAM_OIP_GPU": f"http://:{TOKEN}@127.0.0.1:{far.port}"})
    worlds.append(near)
    client = near.start()
    taken(near, write_parcel(tmp_path / "near.onnx", 1.0))
    rolled_out(near, 1)
    done = taken(near, "oip://gpu/parcel/versions/1?timeout_ms=2000")
    rolled_out(near, done.version, shadow=4)
    answer = client.predict(MODEL, {}, SEA)
    assert (answer["version"], answer["degraded"]) == (2, [])
    assert answer["score"] == pytest.approx(far.client().predict(MODEL, {}, SEA)["score"])
    unknown = client.predict(MODEL, {}, {"route": None})
    assert unknown["score"] == pytest.approx(far.client().predict(MODEL, {}, {"route": None})["score"])


def too_large(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"score": inputs["weight"] + 5}
