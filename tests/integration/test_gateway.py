"""The gateway as a caller meets it: a real uvicorn process, real ONNX files, a real control store."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from include.core.errors import DataError, UnreachableError
from include.online_store.open import open_online
from include.prediction_log.reader import read_records
from include.rollout.smoke import smoke_test
from include.routing.entity_hash import bucket
from include.routing.route import Route
from include.serving.client import GatewayClient
from include.serving.telemetry.metrics_page import names
from operators.server_hooks import GatewayHook, MlflowHook
from tests.integration.gateway_calls import four_versions, post, serve
from tests.support.gateway_world import (
    MODEL,
    TOKEN,
    World,
    body,
    constant,
    eventually,
    signature,
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


def test_a_prediction_says_who_answered(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1)
    answer = client.predict(MODEL, {"place": "oslo"}, {"colour": "red", "size": 2.0}, request_id="r-1")
    assert answer == {"id": "r-1", "score": pytest.approx(0.1), "label": 0, "version": 1, "arm": "champion", "degraded": []}


def test_weights_split_entities_by_their_hash_and_stick(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1, challenger=2, weight=20)
    places = [f"place-{n}" for n in range(900)]
    answers = client.predict_batch(MODEL, [body(place=place) for place in places])
    arms = {place: answer["arm"] for place, answer in zip(places, answers, strict=True)}
    assert arms == {place: "challenger" if bucket(place, MODEL) < 2000 else "champion" for place in places}
    assert 130 < sum(arm == "challenger" for arm in arms.values()) < 230
    serve(world, client, champion=1, challenger=2, weight=50)
    again = client.predict_batch(MODEL, [body(place=place) for place in places])
    assert all(answer["arm"] == "challenger" for place, answer in zip(places, again, strict=True) if arms[place] == "challenger")


def test_pushed_features_are_read_and_expire_with_the_view(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=2)
    row = {"place": "rome", "heat": 0.875, "event_timestamp": "2020-05-01T12:00:00+02:00"}
    assert client.push(MODEL, "weather", [row]) == {"rows": 1, "newer": 1}
    fresh = client.predict(MODEL, {"place": "rome"}, {"colour": None, "size": None}, event_time="2020-05-01T11:00:00Z")
    stale = client.predict(MODEL, {"place": "rome"}, {"colour": None, "size": None}, event_time="2020-05-04T11:00:00Z")
    assert (fresh["score"], stale["score"]) == (0.875, 0.5)  # .5 is the default of `heat`
    assert fresh["degraded"] == stale["degraded"] == []


def test_a_failing_challenger_is_answered_for_by_the_champion(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1, challenger=3, weight=100)
    answer = client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 99.0}, request_id="broken")
    assert (answer["version"], answer["arm"], answer["degraded"]) == (1, "challenger", ["challenger"])
    record = next(record for record in read_records(world.home, MODEL) if record.id == "broken")
    assert record.error is not None
    assert "version 3" in record.error
    metrics = httpx.get(f"{world.url}/metrics").text
    assert 'slipstream_degraded_total{model="toy",reason="challenger"} 1' in metrics


def test_a_failing_champion_falls_back_to_the_previous_one_and_then_to_the_default(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=3, previous=1)
    answer = client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 99.0})
    assert (answer["version"], answer["degraded"]) == (1, ["champion"])
    serve(world, client, champion=3)
    answer = client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 99.0})
    assert (answer["score"], answer["version"], answer["degraded"]) == (0.25, None, ["champion", "default_score"])


def test_a_shadow_that_raises_or_takes_seconds_neither_fails_nor_slows_a_response(world: World, client: GatewayClient) -> None:
    for version in (3, 4):
        serve(world, client, champion=1, shadow=version)
        answers = [client.predict(MODEL, {"place": f"s{n}"}, {"colour": "red", "size": 99.0}) for n in range(20)]
        assert {(a["version"], tuple(a["degraded"])) for a in answers} == {(1, ())}
        records = [r for r in read_records(world.home, MODEL) if r.kind == "prediction" and r.version == 1][-20:]
        assert np.median([record.latency_us for record in records]) < 100_000  # version 4 takes seconds a row

    def pairs() -> list[Any]:
        return [r for r in read_records(world.home, MODEL) if r.kind == "shadow" and r.version == 3]

    seen = eventually(lambda: len(pairs()) == 20 and pairs())
    assert all(r.error and r.score is None and r.against == pytest.approx(0.1) and r.against_version == 1 for r in seen)


def test_a_route_change_under_load_fails_no_request(world: World, client: GatewayClient) -> None:
    import threading

    serve(world, client, champion=1)
    statuses: list[int] = []
    done = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=world.url) as http:
            while not done.is_set():
                statuses.append(http.post(f"/predict/{MODEL}", json=body(place=f"l{len(statuses)}")).status_code)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for weight in (5, 20, 100, 0):
        serve(world, client, champion=1, challenger=2, weight=weight, shadow=3)
    done.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}


def test_an_unservable_version_is_refused_before_traffic(world: World, client: GatewayClient) -> None:
    other = {"inputs": [{"name": "heat", "dtype": "float", "default": None}], "output": "score", "label": "late", "schema": "x"}
    stored = world.register(5, constant(0.9))
    stored.write_bytes(constant(0.8).SerializeToString())  # not the bytes the ledger knows
    world.register(6, b"\x80\x04\x95 a pickle")
    world.register(7, constant(0.7), other)
    good = serve(world, client, champion=1)
    pinned = {**signature(), "views": {"weather": "0123456789ab"}}
    world.register(8, constant(0.8), pinned)
    world.register(9, b"\x08\x07 this begins like ONNX, and is none")
    refused = {
        5: "does not match its digest",
        6: "is a pickle",
        7: "signature",
        8: "view 'weather' was trained on as version 0123456789ab",
        9: "is not a whole ONNX file",
        99: "no registered version",
    }
    for version, why in refused.items():
        generation = world.route(Route(champion=1, challenger=version, weight=50))
        status = eventually(lambda g=generation: (s := client.status()["models"][MODEL])["wanted"] == g and s["refused"] and s)
        assert why in status["refused"][str(version)]
        assert status["generation"] == good
        assert client.predict(MODEL, {"place": "p"}, {"colour": "red", "size": 1})["version"] == 1
    serve(world, client, champion=1)


@pytest.mark.parametrize(
    ("request_body", "status", "field", "value"),
    [
        (body(colour=7), 400, "features.colour", 7),
        (body(size="big"), 400, "features.size", "big"),
        (body(size=1e300), 400, "features.size", 1e300),
        ({**body(), "extra": 1}, 400, "extra", 1),
        ({"entity": {"place": "a", "where": 2}, "features": {"colour": "red", "size": 1}}, 400, "entity.where", 2),
        ({"entity": {}, "features": {"colour": "red", "size": 1}}, 400, "entity.place", None),
        ({"entity": {"place": "a"}, "features": {"colour": "red"}}, 400, "features.size", None),
        ({"entity": {"place": 1.5}, "features": {"colour": "red", "size": 1}}, 400, "entity.place", 1.5),
        (body(event_time="yesterday"), 400, "event_time", "yesterday"),
        ({"requests": []}, 400, "requests", 0),
        ({"requests": [body(), body(size="big")]}, 400, "requests[1].features.size", "big"),
        (json.dumps(body()).replace("1.0", "NaN").encode(), 400, "body", None),
        (json.dumps(body()).replace("1.0", "1e999").encode(), 400, "body", None),
        (b"", 400, "body", None),
        (b"[]", 400, "body", "[]"),
        (b"\xff\xfe\x00", 400, "body", None),
        (b" " * (9 << 20), 413, "body", 9 << 20),
    ],
)
def test_bad_input_is_refused_with_field_value_and_what_is_allowed(
    world: World, request_body: Any, status: int, field: str, value: Any
) -> None:
    response = post(world, f"/predict/{MODEL}", request_body)
    answer = response.json()
    assert response.status_code == status
    assert answer["field"] == field
    assert answer.get("value") == value
    assert answer["error"]


def test_unknown_models_versions_paths_and_methods_are_4xx(world: World) -> None:
    assert post(world, "/predict/nobody", body()).status_code == 404
    assert post(world, "/predict/nobody", body()).json()["allowed"] == [MODEL]
    for path in (f"/predict/{MODEL}", f"/v2/models/{MODEL}/infer"):
        assert httpx.get(f"{world.url}{path}").status_code == 405
    assert post(world, "/v2/health/live", {}).status_code == 405
    assert httpx.get(f"{world.url}/v2/models/{MODEL}/versions/77").status_code == 404
    assert httpx.get(f"{world.url}/nowhere").status_code == 404


def test_bodies_may_be_compressed_both_ways_and_a_bomb_is_413(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1)
    path, batch = f"/predict/{MODEL}", json.dumps({"requests": [body(id=f"z{n}") for n in range(300)]}).encode()
    for encoding, packed in (("gzip", gzip.compress(batch)), ("deflate", zlib.compress(batch))):
        response = post(world, path, packed, **{"Content-Encoding": encoding, "Accept-Encoding": encoding})
        assert response.headers["content-encoding"] == encoding
        assert [answer["id"] for answer in response.json()["responses"]] == [f"z{n}" for n in range(300)]
    assert "content-encoding" not in post(world, path, batch, **{"Accept-Encoding": "identity"}).headers
    for packed in (gzip.compress(bytes(100 << 20)), zlib.compress(bytes(100 << 20))):
        encoding = "gzip" if packed[0] == 0x1F else "deflate"
        assert post(world, path, packed, **{"Content-Encoding": encoding}).status_code == 413
    assert post(world, path, batch, **{"Content-Encoding": "gzip"}).status_code == 400
    assert post(world, path, batch, **{"Content-Encoding": "br"}).json()["allowed"] == ["gzip", "deflate"]


def test_push_and_feedback_need_the_token(world: World) -> None:
    for path in (f"/push/{MODEL}/weather", f"/feedback/{MODEL}"):
        assert post(world, path, {}).status_code == 401
        assert post(world, path, {}, Authorization="Bearer wrong").status_code == 401
        assert post(world, path, {}, Authorization="Bearer let-me-in").status_code == 400


def test_labels_join_the_log_by_request_id_and_redacted_fields_never_do(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1)
    client.predict(
        MODEL, {"place": "bonn"}, {"colour": "blue", "size": 123456.0}, request_id="mine", event_time="2020-01-02T03:04:05Z"
    )
    assert client.feedback(MODEL, [{"id": "mine", "label": 1, "at": "2020-01-02T05:00:00Z"}]) == {"accepted": 1}
    with pytest.raises(DataError, match="labels"):
        client.feedback(MODEL, [{"id": "mine", "label": "yes"}])
    mine = [record for record in read_records(world.home, MODEL) if record.id == "mine"]
    assert [(record.kind, record.label) for record in mine] == [("prediction", None), ("label", 1.0)]
    assert mine[0].features == {"heat": None, "colour": "blue"}
    assert (mine[0].event_time, mine[0].entity) == ("2020-01-02T03:04:05", {"place": "bonn"})
    assert not any("123456" in path.read_text() for path in (world.home / "predictions" / MODEL).glob("*.jsonl"))


def test_every_documented_path_answers_and_the_page_is_readable(world: World) -> None:
    document = httpx.get(f"{world.url}/openapi.json").json()
    for path, operations in document["paths"].items():
        filled = path.replace("{model}", MODEL).replace("{version}", "1").replace("{view}", "weather")
        for verb in operations.keys() - {"parameters"}:
            status = httpx.request(verb.upper(), f"{world.url}{filled}").status_code
            assert status in {int(code) for code in operations[verb]["responses"]}, (verb, path, status)
    assert "Slipstream gateway" in httpx.get(world.url).text


def test_metrics_are_valid_prometheus_text(world: World, client: GatewayClient) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    serve(world, client, champion=1)
    client.predict(MODEL, {"place": "bonn"}, {"colour": "blue", "size": 1})
    families = {family.name: family for family in text_string_to_metric_families(httpx.get(f"{world.url}/metrics").text)}
    assert families["slipstream_route_generation"].samples[0].value > 0
    assert families["slipstream_requests"].samples
    assert re.match("histogram", families["slipstream_latency_seconds"].type)
    asked = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count").removesuffix("_total") for name in names()}
    assert asked == set(families)
    assert {sample.labels["source"]: sample.value for sample in families["slipstream_health_up"].samples} == dict.fromkeys(
        ("features", "skew", "monitoring", "costs", "log", "views", "agent"), 1.0
    )


def test_the_smoke_test_passes_on_a_sound_version(world: World, client: GatewayClient) -> None:
    serve(world, client, champion=1, challenger=2)
    evidence = smoke_test(client, world.spec(), 2)
    assert evidence["scores"] == [0.5, 0.0, 1.0, 0.0]
    assert evidence["latency_ms"] < 5


def test_an_unreachable_gateway_names_its_address_and_setting() -> None:
    with pytest.raises(UnreachableError, match=r"(?s)127\.0\.0\.1:9.*SLIPSTREAM_GATEWAY_URL"):
        GatewayClient("http://127.0.0.1:9", timeout=2).status()


def test_the_log_is_stamped_in_utc(world: World, client: GatewayClient) -> None:
    before = datetime.now(UTC).isoformat()
    client.predict(MODEL, {"place": "x"}, {"colour": "red", "size": 1}, request_id="timed")
    found = [record for record in read_records(world.home, MODEL, since=before) if record.id == "timed"]
    assert len(found) == 1
    assert found[0].at >= before[:23]
    assert Path(world.home, "predictions", MODEL).is_dir()


@pytest.mark.parametrize(("pushed", "asked"), [(5, "5"), ("6", 6), (-7, "-7"), ("8", "8")])
def test_a_key_as_a_number_and_as_text_is_one_entity(world: World, client: GatewayClient, pushed: Any, asked: Any) -> None:
    serve(world, client, champion=1)
    row = {"place": pushed, "heat": 0.9, "event_timestamp": datetime.now(UTC).isoformat()}
    assert post(world, f"/push/{MODEL}/weather", {"rows": [row]}, authorization=f"Bearer {TOKEN}").json() == {
        "rows": 1,
        "newer": 1,
    }
    store = open_online(world.settings.online_url)
    assert store.read(MODEL, world.spec().features.views[0], [(asked,), (pushed,)]) == [{"heat": 0.9}] * 2
    answer = post(world, f"/predict/{MODEL}", body(place=asked)).json()
    (logged,) = [record for record in read_records(world.home, MODEL) if record.id == answer["id"]]
    assert (logged.entity, answer["degraded"]) == ({"place": str(asked)}, [])
    assert logged.features["heat"] == 0.9


def test_the_test_button_of_airflow_takes_its_token_and_refuses_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_GATEWAY", f"slipstream-gateway://:{TOKEN}@127.0.0.1:{world.port}")
    assert GatewayHook().test_connection() == (True, f"The gateway at {world.url} answers, and takes the token.")
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_GATEWAY", f"slipstream-gateway://:not-the-token@127.0.0.1:{world.port}")
    status, words = GatewayHook().test_connection()
    assert (status, f"The gateway at {world.url} answers, and refuses the token (HTTP 401)." in words) == (False, True)
    assert "not-the-token" not in words
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_MLFLOW", f"slipstream-mlflow://:{TOKEN}@127.0.0.1:{world.port}")
    status, words = MlflowHook().test_connection()  # another server than the one that was meant
    assert (status, "is not MLflow" in words) == (False, True)
