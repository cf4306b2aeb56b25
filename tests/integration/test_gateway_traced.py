"""A request's trace, as a collector sees it: through a real gateway process, with its caller's span above it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import httpx
import pytest

from include.routing.route import Route
from tests.support.gateway_world import MODEL, TOKEN, World, body, constant, eventually
from tests.support.otlp_collector import Collector, Span, running_collector

CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
OK, ERROR = 0, 2  # statuses: nobody says OK of a span


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[World]:
    """Nothing is recorded but what its caller has recorded."""
    environ = collector.environ(OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG="0")
    world = World(tmp_path_factory.mktemp("traced"), {**environ, "SLIPSTREAM_LOG_FORMAT": "json"})
    world.register(1, constant(0.5))
    world.route(Route(champion=1, challenger=None, weight=0))
    world.start()
    yield world
    world.stop()


@pytest.fixture(autouse=True)
def forget(collector: Collector) -> None:
    collector.spans.clear()


def ask(world: World, path: str = f"/predict/{MODEL}", sampled: bool = True, given: object = None) -> httpx.Response:
    trace, span = CALLER
    headers = {**HEADERS, "traceparent": f"00-{trace}-{span}-0{int(sampled)}", "tracestate": "shop=1"}
    return httpx.post(f"{world.url}{path}", json=body(id="r-1") if given is None else given, headers=headers)


def test_a_prediction_goes_on_with_its_callers_trace(world: World, collector: Collector) -> None:
    answer = ask(world)
    assert answer.status_code == 200
    server = collector.one("POST /predict/{model}")
    assert (server.trace, server.parent) == CALLER
    assert answer.headers["traceresponse"] == f"00-{server.trace}-{server.id}-01"
    assert server.attributes["slipstream.request_id"] == "r-1"
    assert server.attributes["slipstream.version"] == "1"
    assert server.attributes["slipstream.arm"] == ["champion"]
    assert server.attributes["http.response.status_code"] == 200
    assert server.resource["service.name"] == "slipstream-gateway"
    assert server.status == OK


def test_its_parts_are_features_model_and_log_in_their_order_and_within_it(world: World, collector: Collector) -> None:
    ask(world)
    server = collector.one("POST /predict/{model}")
    parts = eventually(lambda: found if len(found := collector.children(server)) == 3 else None)
    assert [part.name for part in parts] == ["features", "model", "log"]
    assert server.start <= parts[0].start <= parts[0].end <= parts[1].end <= parts[2].end <= server.end
    assert parts[2].attributes["slipstream.log.bytes"] > 100


def test_neither_entities_nor_features_leave_with_it(world: World, collector: Collector) -> None:
    ask(world, given=body(id="r-2", place="hidden-place", colour="hidden-colour"))
    collector.one("POST /predict/{model}")
    assert not [sent for sent in collector.bodies if b"hidden-" in sent]


def test_what_its_caller_does_not_record_is_not_recorded(world: World, collector: Collector) -> None:
    assert "traceresponse" not in ask(world, sampled=False).headers
    assert "traceresponse" not in httpx.post(f"{world.url}/predict/{MODEL}", json=body(), headers=HEADERS).headers
    ask(world)
    collector.one("POST /predict/{model}")
    assert len(collector.named("features")) <= 1


def test_a_stranger_leaves_no_trace(world: World, collector: Collector) -> None:
    trace, span = CALLER
    given = {"traceparent": f"00-{trace}-{span}-01", "Authorization": "Bearer wrong"}
    assert httpx.post(f"{world.url}/predict/{MODEL}", json=body(), headers=given).status_code == 401
    assert httpx.post(f"{world.url}/feedback/{MODEL}", json={"labels": []}, headers=given).status_code == 401
    assert httpx.get(f"{world.url}/v2/health/live", headers=given).status_code == 200
    ask(world)
    assert [server.name for server in _servers(collector)] == ["POST /predict/{model}"]


def _servers(collector: Collector) -> list[Span]:
    collector.one("POST /predict/{model}")
    return [span for span in collector.spans if span.kind == 2]


def test_a_request_that_is_refused_says_so(world: World, collector: Collector) -> None:
    assert ask(world, given={"entity": {"place": "oslo"}, "features": {"weight": 1}}).status_code == 400
    server = collector.one("POST /predict/{model}")
    assert (server.attributes["http.response.status_code"], server.status) == (400, OK)
    assert collector.children(server) == []


def test_feedback_and_tensors_go_through_the_app_and_are_recorded_too(world: World, collector: Collector) -> None:
    answer = ask(world, f"/feedback/{MODEL}", given={"labels": [{"id": "r-1", "label": 1}]})
    assert answer.status_code == 200, answer.text
    server = collector.one("POST /feedback/{model}")
    assert (server.trace, server.parent) == CALLER
    assert answer.headers["traceresponse"].split("-")[2] == server.id
    assert server.attributes["slipstream.model"] == MODEL


def test_a_compressed_prediction_is_recorded_once_with_its_parts(world: World, collector: Collector) -> None:
    trace, span = CALLER
    headers = {**HEADERS, "traceparent": f"00-{trace}-{span}-01", "Content-Encoding": "gzip"}
    packed = gzip.compress(json.dumps(body(id="r-3")).encode())
    answer = httpx.post(f"{world.url}/predict/{MODEL}", content=packed, headers=headers)
    assert answer.status_code == 200, answer.text
    server = collector.one("POST /predict/{model}")
    parts = eventually(lambda: found if len(found := collector.children(server)) == 3 else None)
    assert [part.name for part in parts] == ["features", "model", "log"]
    assert server.attributes["slipstream.request_id"] == "r-3"


def test_the_log_of_the_process_is_json(world: World) -> None:
    lines = [json.loads(line) for line in world.output().splitlines()]
    assert {line["program"] for line in lines} == {"gateway"}
    assert {"time", "level", "logger", "pid", "message"} <= set(lines[0])
