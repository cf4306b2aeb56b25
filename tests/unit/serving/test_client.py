"""What the client makes of the tensors of an answer: a number a row, or a list a row."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from include.serving.client import GatewayClient
from tests.support.traced import PARENT, in_a_span


def answering(outputs: list[dict[str, Any]]) -> GatewayClient:
    client = GatewayClient("http://127.0.0.1:1")

    def answer(request: httpx.Request) -> httpx.Response:
        columns = [{"name": "size", "dtype": "float", "datatype": "FP64"}]
        if request.method == "GET":
            return httpx.Response(200, json={"parameters": {"columns": columns}})
        return httpx.Response(200, json={"outputs": outputs, "parameters": {"latency_us": 7.0}})

    client._http = httpx.Client(base_url=client.url, transport=httpx.MockTransport(answer))
    return client


@pytest.mark.parametrize(
    ("outputs", "rows"),
    [
        ([{"name": "score", "shape": [2], "data": [0.25, 0.5]}], [0.25, 0.5]),
        ([{"name": "probabilities", "shape": [2, 2], "data": [0.25, 0.75, 0.5, 0.5]}], [[0.25, 0.75], [0.5, 0.5]]),
        (
            [
                {"name": "value", "shape": [2], "data": [1.0, 4.0]},
                {"name": "low", "shape": [2], "data": [0.0, 3.0]},
                {"name": "high", "shape": [2], "data": [2.0, 5.0]},
            ],
            [[1.0, 0.0, 2.0], [4.0, 3.0, 5.0]],
        ),
    ],
)
def test_rows_are_said_by_their_outputs(outputs: list[dict[str, Any]], rows: list[Any]) -> None:
    assert answering(outputs).infer("toy", 1, [{"size": 1.0}, {"size": 2.0}]) == (rows, 7.0)


@pytest.mark.parametrize("traced", [True, False])
def test_a_call_says_which_span_it_is_for(monkeypatch: pytest.MonkeyPatch, traced: bool) -> None:
    if traced:
        in_a_span(monkeypatch)
    client, seen = GatewayClient("http://127.0.0.1:1", "token"), list[httpx.Headers]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={})

    client._http = httpx.Client(base_url=client.url, headers=client._http.headers, transport=httpx.MockTransport(answer))
    client.status()
    assert seen[0].get("traceparent") == (PARENT if traced else None)
    assert seen[0]["authorization"] == "Bearer token"
