"""One suite for the gateway's two hosts, uvicorn and Ray Serve: a caller cannot tell them apart."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

import httpx
import numpy as np
import psutil
import pytest

from include.core.errors import GateClosed
from include.prediction_log.reader import read_records
from include.routing.entity_hash import bucket
from include.routing.route import Route
from include.serving.client import GatewayClient
from tests.support.gateway_world import MODEL, TOKEN, World, body, constant, eventually, fails_on_size_over, heat_score

HOSTS = {"uvicorn": "include.gateway", "ray": "include.gateway.on_ray"}


@pytest.fixture(
    scope="module",
    params=[
        "uvicorn",
        pytest.param("ray", marks=[pytest.mark.integration_ray, pytest.mark.slow]),
    ],
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("gateway"))
    world.environ.pop("RAY_ADDRESS", None)
    world.register(1, constant(0.1))
    world.register(2, heat_score())
    world.register(3, fails_on_size_over(10))
    world.route(Route(champion=1))
    world.start(host=HOSTS[request.param], seconds=150).close()
    yield world
    world.stop()


@pytest.fixture
def client(world: World) -> Iterator[GatewayClient]:
    client = world.client()
    yield client
    client.close()


@pytest.fixture
def http(world: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.url, timeout=30) as http:
        yield http


def serve(world: World, client: GatewayClient, **route: int) -> None:
    client.wait_applied(MODEL, world.route(Route(**route)), timeout=20)


def tensor(rows: int = 1, **changes: object) -> dict[str, object]:
    return {"name": "features", "shape": [rows, 3], "datatype": "FP32", **changes}


def test_health_and_metadata(http: httpx.Client) -> None:
    assert http.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert http.get("/v2/health/live").json() == {"live": True}
    assert http.get("/v2/health/ready").json() == {"ready": True}
    assert http.get("/v2/models").json() == {"models": [MODEL]}
    metadata = http.get(f"/v2/models/{MODEL}/versions/1").json()
    assert (metadata["versions"], metadata["inputs"][0]["shape"]) == (["1"], [-1, 3])
    assert http.get(f"/v2/models/{MODEL}/versions/1/ready").is_success
    assert "/predict/{model}" in http.get("/openapi.json").json()["paths"]
    assert "Slipstream gateway" in http.get("/").text


def test_a_prediction_reads_features_and_is_logged(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=2)
    client.push(MODEL, "weather", [{"place": "rome", "heat": 0.875, "event_timestamp": "2020-05-01T12:00:00Z"}])
    answer = client.predict(
        MODEL, {"place": "rome"}, {"colour": "red", "size": 1.0}, request_id="r-1", event_time="2020-05-01T13:00:00Z"
    )
    assert answer == {"id": "r-1", "score": 0.875, "label": 1, "version": 2, "arm": "champion", "degraded": []}
    assert client.feedback(MODEL, [{"id": "r-1", "label": 1}]) == {"accepted": 1}
    kinds = [record.kind for record in read_records(world.home, MODEL) if record.id == "r-1"]
    assert kinds == ["prediction", "label"]


def test_weights_change_without_a_restart_and_stick_to_entities(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1, challenger=2, weight=30)
    places = [f"place-{n}" for n in range(300)]
    answers = client.predict_batch(MODEL, [body(place=place) for place in places])
    expected = ["challenger" if bucket(place, MODEL) < 3000 else "champion" for place in places]
    assert [answer["arm"] for answer in answers] == expected


def test_a_failing_challenger_is_answered_for_and_flagged(world: World, client: GatewayClient, http: httpx.Client) -> None:
    serve(world, client, champion=1, challenger=3, weight=100)
    answer = client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 99.0})
    assert (answer["version"], answer["degraded"]) == (1, ["challenger"])
    assert f'slipstream_degraded_total{{model="{MODEL}",reason="challenger"}}' in http.get("/metrics").text


def test_json_and_binary_tensors_agree(world: World, client: GatewayClient, http: httpx.Client) -> None:
    serve(world, client, champion=1, challenger=2)
    rows = np.array([[0.25, 1, 3], [0.75, 0, 4]], np.float32)
    path = f"/v2/models/{MODEL}/versions/2/infer"
    plain = http.post(path, json={"id": "q", "inputs": [tensor(2, data=rows.tolist())]}).json()
    assert (plain["id"], plain["outputs"][0]["data"]) == ("q", [0.25, 0.75])
    binary = [tensor(2, parameters={"binary_data_size": rows.nbytes})]
    head = json.dumps({"inputs": binary, "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Encoding": "gzip"}
    answer = http.post(path, content=gzip.compress(head + rows.tobytes()), headers=headers)
    length = int(answer.headers["inference-header-content-length"])
    assert np.frombuffer(answer.content[length:], "<f4").tolist() == [0.25, 0.75]


def test_compressed_bodies_both_ways_and_a_bomb(http: httpx.Client) -> None:
    path, batch = f"/predict/{MODEL}", json.dumps({"requests": [body(id=f"z{n}") for n in range(100)]}).encode()
    for encoding, packed in (("gzip", gzip.compress(batch)), ("deflate", zlib.compress(batch))):
        answer = http.post(path, content=packed, headers={"Content-Encoding": encoding, "Accept-Encoding": encoding})
        assert answer.headers["content-encoding"] == encoding
        assert len(answer.json()["responses"]) == 100
    bomb = http.post(path, content=gzip.compress(bytes(100 << 20)), headers={"Content-Encoding": "gzip"})
    assert bomb.status_code == 413


@pytest.mark.parametrize(
    ("path", "content", "status", "field"),
    [
        (f"/predict/{MODEL}", body(size="big"), 400, "features.size"),
        (f"/predict/{MODEL}", {**body(), "extra": 1}, 400, "extra"),
        ("/predict/nobody", body(), 404, "model"),
        ("/v2/models/nobody/infer", {"inputs": []}, 404, "model"),
        (f"/v2/models/{MODEL}/versions/77/infer", {"inputs": []}, 404, "version"),
        (f"/v2/models/{MODEL}/infer", {"inputs": [tensor(data=[1, 2])]}, 400, "features"),
        (f"/v2/models/{MODEL}/infer", {"inputs": [tensor(data=[1, 2, 3], datatype="FP31")]}, 400, "features.datatype"),
        ("/nowhere", {}, 404, "path"),
    ],
)
def test_bad_input_is_refused_with_its_field(http: httpx.Client, path: str, content: object, status: int, field: str) -> None:
    answer = http.post(path, json=content)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert answer.json()["error"]


def test_an_oversized_body_and_a_wrong_method_are_refused(http: httpx.Client) -> None:
    assert http.post(f"/predict/{MODEL}", content=b" " * (9 << 20)).status_code == 413
    assert http.get(f"/predict/{MODEL}").status_code == 405


def test_what_changes_something_needs_the_token(http: httpx.Client) -> None:
    assert http.post(f"/feedback/{MODEL}", json={}).status_code == 401
    assert http.post(f"/feedback/{MODEL}", json={}, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 400


def test_a_route_to_a_version_that_does_not_exist_is_refused_and_the_one_before_stands(
    world: World, client: GatewayClient
) -> None:
    serve(world, client, champion=1)
    with pytest.raises(GateClosed, match="no registered version 99"):
        client.wait_applied(MODEL, world.route(Route(champion=1, challenger=99, weight=50)), timeout=20)
    assert client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 1})["version"] == 1


def test_nothing_listens_beyond_loopback(world: World) -> None:
    assert world.process is not None
    parent = psutil.Process(world.process.pid)

    def listening() -> set[str]:
        found: set[str] = set()
        for process in (parent, *parent.children(recursive=True)):
            try:
                found |= {c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN}
            except psutil.NoSuchProcess:
                continue
        return found

    assert eventually(listening) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
