"""Topic in, topic out by the gateway's own predictor, and a prediction that is fetched later."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from include.routing.route import Route
from include.services.services import Services
from include.streaming.loop import Limits
from include.streaming.run import run_answers
from include.streaming.telemetry import StreamMetrics
from tests.support.event_logs import RedisLog
from tests.support.gateway_world import MODEL, World, body, constant
from tests.support.online_stores import redis_url

__all__ = ["redis_url"]
pytestmark = pytest.mark.lives


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    made.register(1, constant(0.7))
    made.route(Route(champion=1))
    return made


def test_every_request_of_a_topic_has_one_answer_of_the_model(world: World, redis_url: str) -> None:
    log = RedisLog(redis_url)
    for number in (*range(30), 4):
        log.send("requests", json.dumps(body(id=f"r{number}")).encode(), f"r{number}")
    log.send("requests", b'{"id": "bad", "entity": {}, "features": {"size": "large"}}')
    settings = replace(world.settings, stream_url=redis_url)
    metrics, topics = StreamMetrics(MODEL), ("requests", "answers")
    for _ in range(2):  # the second finds nothing to do
        run_answers(Services(settings), world.spec(), metrics, Limits(wait=0.01, until_end=True), lambda: False, topics=topics)
    answers = [json.loads(value) for value in log.read("answers")]
    scored = [each for each in answers if "score" in each]
    assert sorted(each["id"] for each in scored) == sorted(f"r{number}" for number in range(30))
    assert {round(each["score"], 3) for each in scored} == {0.7}
    (refused,) = [each for each in answers if "error" in each]
    assert (refused["id"], refused["status"]) == ("bad", 400)
    assert metrics.value("set_aside_total", "repeated") == 1


def test_a_prediction_is_asked_for_now_and_fetched_later(world: World) -> None:
    client = world.start()
    del client
    headers = {"Authorization": "Bearer let-me-in"}
    with httpx.Client(base_url=world.url, headers=headers) as caller:
        asked = caller.post(f"/predict/{MODEL}?async", json=body(id="later"))
        assert asked.status_code == 202
        place = asked.headers["location"]
        until = time.monotonic() + 20
        while (found := caller.get(place)).status_code == 202 and time.monotonic() < until:
            time.sleep(0.02)
        assert (found.status_code, round(found.json()["score"], 3)) == (200, 0.7)
        assert caller.post(f"/predict/{MODEL}?async", json=body(id="later")).headers["location"] == place
        assert caller.post(f"/predict/{MODEL}?async", content=b"{").status_code == 400
        assert caller.get(f"/predictions/{MODEL}/20240305-abc").status_code == 404
    world.stop()
