"""A hundred models in one gateway with room for twenty; and each model's own limits."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from include.core.environment import GATEWAY_MODELS
from include.prediction_log.reader import read_records
from include.routing.entity_hash import bucket
from include.routing.route import Route
from tests.support.gateway_world import MODEL, World, body, constant, eventually

HUNDRED = [f"m{n:02d}" for n in range(100)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("gateway"))
    for digit in range(10):
        world.register(digit, constant(digit / 10))
        world.share(digit, *((f"m{ten}{digit}", 1) for ten in range(10)), *((f"m{digit}{one}", 2) for one in range(10)))
    for n, name in enumerate(HUNDRED):
        world.add_model(name)
        world.route(Route(champion=1, challenger=2, weight=n % 2 * 50), name)
    world.add_model("small", max_rows="2")
    world.add_model("slow", requests_per_second="5")
    world.add_model("strict", unknown_entity='"refuse"')
    world.add_model("cached", cache="timedelta(seconds=3)")
    world.add_model("curious", explore="0.5")
    for name in ("small", "slow", "strict", "cached", "curious"):
        world.share(5, (name, 1))
        world.route(Route(champion=1), name)
    world.environ[GATEWAY_MODELS.name] = "20"
    world.start().close()
    yield world
    world.stop()


def test_a_hundred_models_answer_each_with_its_own_weights_while_twenty_are_loaded(world: World) -> None:
    with httpx.Client(base_url=world.url, timeout=20) as http:
        assert http.get("/v2/health/ready").is_success
        assert set(HUNDRED) < set(http.get("/v2/models").json()["models"])
        for n, name in [*enumerate(HUNDRED), *reversed(list(enumerate(HUNDRED)))]:
            place = f"p{n}"
            answer = http.post(f"/predict/{name}", json=body(place=place)).json()
            challenger = n % 2 and bucket(place, name) < 5000
            assert (answer["version"], answer["degraded"]) == (2 if challenger else 1, [])
            assert answer["score"] == pytest.approx((n // 10 if challenger else n % 10) / 10)
        status = http.get("/status").json()
    loaded = sum(not model["cold"] for model in status["models"].values())
    assert loaded <= 21  # one more while it comes in
    assert status["loads"] >= 180
    assert status["unloads"] >= status["loads"] - 21


def test_the_protocol_brings_a_cold_model_in(world: World) -> None:
    with httpx.Client(base_url=world.url, timeout=20) as http:
        cold = [name for name, model in http.get("/status").json()["models"].items() if model["cold"] and name in HUNDRED]
        assert http.get(f"/v2/models/{cold[0]}").json()["versions"] == ["1", "2"]
        tensor = {"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [0, 0, 0]}
        scores = http.post(f"/v2/models/{cold[1]}/versions/1/infer", json={"inputs": [tensor]}).json()["outputs"][0]["data"]
        assert scores == [pytest.approx(int(cold[1][2]) / 10)]


def test_each_model_has_its_own_limit_of_rows(world: World) -> None:
    answer = httpx.post(f"{world.url}/predict/small", json={"requests": [body()] * 3})
    assert (answer.status_code, answer.json()["allowed"]) == (400, "1 to 2")
    tensor = {"name": "features", "shape": [3, 3], "datatype": "FP32", "data": [0] * 9}
    answer = httpx.post(f"{world.url}/v2/models/small/infer", json={"inputs": [tensor]})
    assert (answer.status_code, answer.json()["allowed"]) == (400, "at most 2 rows")


def test_a_model_beyond_its_own_rate_pushes_back_and_its_neighbours_do_not_notice(world: World) -> None:
    with httpx.Client(base_url=world.url, timeout=20) as http:
        answers = [http.post("/predict/slow", json=body()) for _ in range(40)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert answers[0].is_success
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].json()["allowed"] == "5 requests/s"
        assert http.post("/predict/small", json=body()).is_success


def test_an_unknown_entity_is_404_where_the_spec_says_so(world: World) -> None:
    client = world.client()
    row = {"place": "rome", "heat": 0.5, "event_timestamp": "2020-05-01T12:00:00Z"}
    client.push("strict", "weather", [row])
    at = {"event_time": "2020-05-01T13:00:00Z"}
    known, unknown = body(place="rome", **at), body(place="atlantis", **at)
    assert httpx.post(f"{world.url}/predict/strict", json=known).json()["degraded"] == []
    answer = httpx.post(f"{world.url}/predict/strict", json=unknown)
    assert (answer.status_code, answer.json()["field"], "atlantis" in answer.json()["value"]) == (404, "entity", True)
    answer = httpx.post(f"{world.url}/predict/strict", json={"requests": [known, unknown]})
    assert (answer.status_code, answer.json()["field"]) == (404, "requests[1].entity")
    assert MODEL not in httpx.get(f"{world.url}/v2/models").json()["models"]
    client.close()


def test_an_equal_request_is_answered_from_the_cache_for_a_while_and_logged_all_the_same(world: World) -> None:
    client = world.client()
    model, at = "cached", {"event_time": "2020-05-01T13:00:00Z"}

    def heat(value: float, moment: str) -> None:
        client.push(model, "weather", [{"place": "rome", "heat": value, "event_timestamp": moment}])

    def asked(**changes: object) -> tuple[float, float]:
        """The score, and the feature it was made of."""
        answer = httpx.post(f"{world.url}/predict/{model}", json=body(place="rome", **at, **changes)).json()
        logged = next(record for record in read_records(world.home, model) if record.id == answer["id"])
        return answer["score"], logged.features["heat"]

    heat(0.25, "2020-05-01T11:00:00Z")
    assert asked(id="first") == (0.5, 0.25)
    heat(0.75, "2020-05-01T12:00:00Z")
    assert asked(id="second") == (0.5, 0.25)  # as it was read a moment ago
    assert asked(id="other", colour="blue")[1] == 0.75  # another question
    eventually(lambda: asked()[1] == 0.75)
    client.close()


def test_decisions_drawn_at_random_and_a_canarys_answers_are_logged_as_exploration(world: World) -> None:
    client = world.client()
    answers = {n: httpx.post(f"{world.url}/predict/curious", json=body(id=f"draw-{n}", place="rome")).json() for n in range(60)}
    logged = {record.id: record for record in read_records(world.home, "curious")}
    explored = {n for n in answers if logged[f"draw-{n}"].explored == "random"}
    assert 10 < len(explored) < 50
    assert {answers[n]["label"] for n in explored} == {0, 1}
    assert all(answers[n]["label"] == logged[f"draw-{n}"].decision for n in explored)
    assert {answers[n]["label"] for n in answers.keys() - explored} == {1}  # its score is .5, the threshold
    again = httpx.post(f"{world.url}/predict/curious", json=body(id="draw-0", place="rome")).json()
    assert again["label"] == answers[0]["label"]

    for place in ("rome", "bonn", "oslo", "lima", "baku", "cork"):
        httpx.post(f"{world.url}/predict/m11", json=body(id=f"canary-{place}", place=place))
    canary = [record for record in read_records(world.home, "m11") if record.id.startswith("canary-")]
    assert {record.arm for record in canary} == {"champion", "challenger"}
    assert all((record.explored == "challenger") == (record.arm == "challenger") for record in canary)
    client.close()
