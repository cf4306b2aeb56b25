"""The Open Inference Protocol as a caller meets it: JSON and binary tensors, named columns, metadata, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from include.serving.client import GatewayClient
from tests.integration.gateway_calls import four_versions, post, serve
from tests.support.gateway_world import (
    MODEL,
    World,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with four_versions(tmp_path_factory.mktemp("gateway")) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[GatewayClient]:
    client = world.client()
    yield client
    client.close()


def test_inference_protocol_json_and_binary_agree(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1, challenger=2)
    rows = np.array([[0.25, 1, 3], [0.75, 0, 4]], np.float32)
    path = f"/v2/models/{MODEL}/versions/2/infer"
    tensor = {"name": "features", "shape": [2, 3], "datatype": "FP32"}
    plain = post(world, path, {"id": "q", "inputs": [{**tensor, "data": rows.tolist()}]}).json()
    assert plain["outputs"][0] == {"name": "score", "shape": [2], "datatype": "FP32", "data": [0.25, 0.75]}
    assert (plain["id"], plain["model_name"], plain["model_version"]) == ("q", MODEL, "2")

    head = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": rows.nbytes}}],
            "outputs": [{"name": "score", "parameters": {"binary_data": True}}],
        }
    ).encode()
    binary = post(world, path, head + rows.tobytes(), **{"Inference-Header-Content-Length": str(len(head))})
    length = int(binary.headers["inference-header-content-length"])
    assert json.loads(binary.content[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(binary.content[length:], "<f4").tolist() == [0.25, 0.75]


def test_inference_protocol_reads_named_columns(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1, challenger=2)
    scores, spent = client.infer(
        MODEL, 2, [{"heat": 0.3, "colour": "red", "size": 1}, {"heat": None, "colour": None, "size": None}]
    )
    assert scores == [pytest.approx(0.3), 0.5]
    assert spent > 0
    texts = b"".join(len(t).to_bytes(4, "little") + t for t in (b"red", b"blue"))
    head = json.dumps(
        {
            "inputs": [
                {"name": "heat", "shape": [2], "datatype": "FP64", "data": [0.1, 0.2]},
                {"name": "colour", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(texts)}},
                {"name": "size", "shape": [2, 1][:1], "datatype": "INT32", "data": [1, 2]},
            ]
        }
    ).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = post(world, f"/v2/models/{MODEL}/versions/2/infer", head + texts, **headers)
    assert answer.json()["outputs"][0]["data"] == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(
    "tensor",
    [
        {"shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
        {"shape": [1, 3], "datatype": "FP32", "data": [1, 2]},
        {"shape": [1, 3], "datatype": "FP32", "data": [1, "x", 3]},
        {"shape": [1, 3], "datatype": "FP32", "data": [1, 1e39, 3]},
        {"shape": [1, 3], "datatype": "FP32", "data": [1, [2], 3]},
        {"shape": [1, 3], "datatype": "BYTES", "data": ["a", "b", "c"]},
        {"shape": [1, 3], "datatype": "FP31", "data": [1, 2, 3]},
        {"shape": [-1, 3], "datatype": "FP32", "data": []},
        {"shape": [0, 3], "datatype": "FP32", "data": []},
        {"shape": [10**9, 3], "datatype": "FP32", "data": []},
        {"shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 99}},
        {"shape": [1, 3], "datatype": "FP32", "data": [1, 10**400, 3]},
    ],
)
def test_bad_tensors_are_400(world: World, tensor: dict[str, Any]) -> None:
    response = post(world, f"/v2/models/{MODEL}/infer", {"inputs": [{"name": "features", **tensor}]})
    assert response.status_code == 400, response.text
    assert response.json()["error"]


@pytest.mark.parametrize(("value", "status"), [(math.nan, 200), (math.inf, 400), (-math.inf, 400)])
def test_not_a_number_in_a_binary_tensor_is_missing_and_an_infinity_is_400(world: World, value: float, status: int) -> None:
    row = np.array([[value, 0, 1]], np.float32)
    tensor = {"name": "features", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
    head = json.dumps({"inputs": [tensor]}).encode()
    response = post(
        world, f"/v2/models/{MODEL}/infer", head + row.tobytes(), **{"Inference-Header-Content-Length": str(len(head))}
    )
    assert response.status_code == status
    assert status == 200 or response.json()["field"] == "features"


def test_protocol_health_and_metadata(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1, challenger=2)
    assert httpx.get(f"{world.url}/v2").json()["extensions"] == ["binary_tensor_data"]
    assert httpx.get(f"{world.url}/v2/health/ready").json() == {"ready": True}
    assert httpx.get(f"{world.url}/v2/models/{MODEL}/versions/2/ready").is_success
    metadata = httpx.get(f"{world.url}/v2/models/{MODEL}").json()
    assert metadata["versions"] == ["1", "2"]
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}]


@pytest.mark.parametrize("inputs", [{"id": None}, {"parameters": None}, {"outputs": None}, {"outputs": []}])
def test_what_a_client_writes_as_null_is_absent(world: World, client: GatewayClient, inputs: dict[str, Any]) -> None:
    serve(world, client, champion=1)
    tensor = {"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [0.5, 1, 2], "parameters": None}
    assert post(world, f"/v2/models/{MODEL}/infer", {"inputs": [tensor], **inputs}).status_code == 200
