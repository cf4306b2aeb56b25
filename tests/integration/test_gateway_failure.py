"""What callers of the gateway see while its surroundings die: the store, the process, the model files."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from include.prediction_log.layout import segments
from include.prediction_log.reader import read_records
from include.routing.route import Route
from tests.support.gateway_world import MODEL, World, body, constant, eventually, heat_score


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    if world.process is not None and world.process.poll() is None:
        world.stop(signal.SIGKILL)


def test_kill_9_loses_no_record_of_an_answered_request(world: World) -> None:
    world.register(1, constant(0.1))
    world.route(Route(champion=1))
    world.start().close()
    answered: list[str] = []

    def load() -> None:
        with httpx.Client(base_url=world.url) as http, contextlib.suppress(httpx.TransportError):
            while True:
                response = http.post(f"/predict/{MODEL}", json=body(place=f"k{len(answered)}"))
                answered.append(response.json()["id"])

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(answered) > 300)
    world.stop(signal.SIGKILL)
    for thread in threads:
        thread.join(timeout=20)
    logged = {record.id for record in read_records(world.home, MODEL)}
    assert len(answered) > 300
    assert set(answered) <= logged
    world.start().predict(MODEL, {"place": "again"}, {"colour": "red", "size": 1})
    assert len(segments(world.home, MODEL)) == 2


def test_a_feature_store_that_is_down_degrades_and_recovers(world: World) -> None:
    world.environ["SLIPSTREAM_ONLINE_URL"] = f"sqlite:///{world.home / 'away' / 'online.db'}"
    (world.home / "away").write_text("a file where the store's folder should be")
    world.register(1, heat_score())
    world.route(Route(champion=1))
    client = world.start()
    answer = client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 1})
    assert (answer["score"], answer["version"], answer["degraded"]) == (0.5, 1, ["features"])
    assert 'reason="features"' in httpx.get(f"{world.url}/metrics").text
    (world.home / "away").unlink()
    eventually(lambda: client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 1})["degraded"] == [])


def test_a_gateway_that_starts_on_a_corrupt_champion_serves_the_previous_one_and_says_so(world: World) -> None:
    world.register(1, constant(0.1))
    world.register(2, constant(0.2)).write_bytes(b"rotten")
    world.route(Route(champion=2, previous=1))
    client = world.start()
    status = client.status()["models"][MODEL]
    assert (status["generation"], status["ready"]) == (0, False)
    assert "digest" in status["refused"]["2"]
    assert httpx.get(f"{world.url}/v2/health/ready").status_code == 503
    answer = client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 1})
    assert (answer["version"], answer["degraded"]) == (1, ["champion"])


def test_a_control_store_that_is_down_leaves_the_last_routes_standing(world: World) -> None:
    world.register(1, constant(0.1))
    world.route(Route(champion=1))
    client = world.start()
    database = world.home / "control.db"
    database.rename(world.home / "gone.db")
    database.mkdir()
    eventually(lambda: client.status()["failure"])
    assert client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 1})["version"] == 1


def test_a_full_disk_under_the_log_is_flagged_and_the_answer_is_sent(world: World) -> None:
    world.register(1, constant(0.1))
    world.route(Route(champion=1))
    (world.home / "predictions").write_text("a file where the log's folder should be")
    answer = world.start().predict(MODEL, {"place": "x"}, {"colour": "red", "size": 1})
    assert (answer["score"], answer["degraded"]) == (pytest.approx(0.1), ["log"])


def test_a_stop_lets_requests_in_flight_finish(world: World) -> None:
    world.register(1, constant(0.1))
    world.route(Route(champion=1, shadow=1))
    client = world.start()

    def predicted(number: int) -> set[str]:
        return {client.predict(MODEL, {"place": f"d{n}"}, {"colour": "red", "size": 1})["id"] for n in range(number)}

    def shadows() -> set[str]:
        return {record.id for record in read_records(world.home, MODEL) if record.kind == "shadow"}

    first = predicted(1)
    eventually(lambda: shadows() == first, 60)  # its process has started, which takes as long as the machine likes
    ids = first | predicted(50)
    world.stop()
    assert shadows() == ids  # the queue was scored before the process ended


def test_an_address_beyond_loopback_needs_a_token_and_then_guards_predictions(world: World) -> None:
    world.register(1, constant(0.1))
    world.route(Route(champion=1))
    token = world.environ.pop("AIRFLOW_CONN_SLIPSTREAM_GATEWAY")
    with pytest.raises(AssertionError, match="without a token"):
        world.start("--host", "0.0.0.0", "--port", str(world.port))
    world.environ["AIRFLOW_CONN_SLIPSTREAM_GATEWAY"] = token
    client = world.start("--host", "0.0.0.0", "--port", str(world.port))
    assert httpx.post(f"{world.url}/predict/{MODEL}", json=body()).status_code == 401
    assert client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 1})["version"] == 1


def test_without_a_token_the_routes_that_change_something_are_closed(world: World) -> None:
    del world.environ["AIRFLOW_CONN_SLIPSTREAM_GATEWAY"]
    world.start().close()
    assert httpx.post(f"{world.url}/feedback/{MODEL}", json={}).status_code == 403
    assert httpx.post(f"{world.url}/predict/{MODEL}", json=body()).status_code == 404
