"""A prediction that is asked for now and fetched later is made once, and by whoever is left to make it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from include.core.errors import SpecError
from include.core.storage import LocalStorage
from include.core.time import utc_now
from include.serving.http.asgi import HttpRequest, Response
from include.serving.http.request_error import RequestError
from include.serving.prediction import asynchronous
from include.serving.prediction.asynchronous import AsynchronousPredictions, days_of, wants_later


class World:
    def __init__(self, tmp_path: Path) -> None:
        self.storage = LocalStorage(tmp_path)
        self.asked: list[bytes] = []
        self.refusals: list[RequestError] = []

    async def ask(self, call: HttpRequest, model: str) -> Response:
        if self.refusals:
            raise self.refusals.pop()
        self.asked.append(call.body)
        return Response(b'{"score":0.5}')

    def check(self, call: HttpRequest, model: str) -> None:
        if not call.body.startswith(b"{"):
            raise RequestError(400, "no JSON")

    def later(self) -> AsynchronousPredictions:
        return AsynchronousPredictions(lambda: self.storage, self.ask, self.check, 1)


def request(**fields: object) -> HttpRequest:
    return HttpRequest("POST", "/predict/toy", [], json.dumps(fields).encode(), b"async")


async def fetched(later: AsynchronousPredictions, place: str) -> Response:
    """As a caller who asks again."""
    name = place.rpartition("/")[2]
    while (response := await later.result(request(), "toy", name)).status == 202:
        await asyncio.sleep(0.001)
    return response


def place_of(response: Response) -> str:
    assert response.status == 202
    return dict(response.headers)[b"location"].decode()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(asynchronous, "AGAIN", 0.001)
    monkeypatch.setattr(asynchronous, "LEFT", 0.001)
    return World(tmp_path)


def test_an_answer_is_fetched_where_the_first_response_says(world: World) -> None:
    async def run() -> None:
        later = world.later()
        place = place_of(await later.accept(request(id="a"), "toy"))
        assert place.startswith("/predictions/toy/")
        response = await fetched(later, place)
        assert (response.status, response.body) == (200, b'{"score":0.5}')

    asyncio.run(run())


def test_the_same_id_is_the_same_prediction_and_is_made_once(world: World) -> None:
    async def run() -> None:
        one, other = world.later(), world.later()  # two gateways of one root
        places = {place_of(await each.accept(request(id="a", x=1), "toy")) for each in (one, other, one)}
        (place,) = places
        await fetched(other, place)
        assert place_of(await one.accept(request(id="a", x=1), "toy")) == place
        with pytest.raises(RequestError, match="Another request") as found:
            await one.accept(request(id="a", x=2), "toy")
        assert found.value.status == 409
        nameless = {place_of(await one.accept(request(x=1), "toy")) for _ in range(2)}
        assert len(nameless) == 2

    asyncio.run(run())
    requests = [path for path in world.storage.list(asynchronous.FOLDER) if path.endswith("request.json")]
    assert len(requests) == 3


def test_a_refusal_is_told_at_once_or_is_the_answer(world: World) -> None:
    async def run() -> None:
        later = world.later()
        with pytest.raises(RequestError, match="no JSON"):
            await later.accept(HttpRequest("POST", "/predict/toy", [], b"x"), "toy")
        assert list(world.storage.list("")) == []
        world.refusals = [RequestError(422, "not this one", field="id")]
        response = await fetched(later, place_of(await later.accept(request(id="b"), "toy")))
        assert response.status == 422
        assert json.loads(response.body) == {"error": "not this one", "field": "id"}

    asyncio.run(run())


def test_a_model_that_is_busy_or_away_is_asked_again(world: World) -> None:
    async def run() -> None:
        later = world.later()
        world.refusals = [RequestError(503, "away"), RequestError(429, "busy")]
        assert (await fetched(later, place_of(await later.accept(request(id="c"), "toy")))).status == 200

    asyncio.run(run())
    assert world.refusals == []


def test_what_a_gateway_left_another_answers(world: World) -> None:
    async def run() -> None:
        dead, next_ = world.later(), world.later()
        world.refusals = [RequestError(503, "away")] * 5
        place = place_of(await dead.accept(request(id="d"), "toy"))
        dead.stop()
        world.refusals = []
        next_.start()
        assert (await fetched(next_, place)).status == 200
        next_.stop()

    asyncio.run(run())


def test_too_many_are_refused_and_nothing_of_them_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "WAITING", 1)

    async def run() -> None:
        later = world.later()
        world.refusals = [RequestError(503, "away")] * 100
        await later.accept(request(id="e"), "toy")
        with pytest.raises(RequestError) as found:
            await later.accept(request(id="f"), "toy")
        assert found.value.status == 429
        assert found.value.headers
        assert len(list(world.storage.list(""))) == 1
        later.stop()

    asyncio.run(run())


def test_answers_go_after_their_days_and_strange_names_are_nobody_s(world: World) -> None:
    today = utc_now().date()
    old = f"{asynchronous.FOLDER}/toy/date={today - timedelta(days=2)}/abc"
    kept = f"{asynchronous.FOLDER}/toy/date={today - timedelta(days=1)}/abc"
    for folder in (old, kept):
        world.storage.create(f"{folder}/request.json", b"{}")
        world.storage.create(f"{folder}/answer.json", b'{"status":200,"body":{}}')
    assert world.later()._left() == []
    assert not world.storage.exists(f"{old}/answer.json")
    assert world.storage.exists(f"{kept}/answer.json")

    async def run() -> None:
        for name in ("x", "2024-03-05", "20240305-..", f"{today:%Y%m%d}-abc"):
            with pytest.raises(RequestError) as found:
                await world.later().result(request(), "toy", name)
            assert found.value.status == 404

    asyncio.run(run())


@pytest.mark.parametrize("query", [b"async", b"a=1&async=true"])
def test_what_says_later(query: bytes) -> None:
    assert wants_later(query)
    assert not wants_later(query.replace(b"async", b"asynchronous"))
    assert not wants_later(b"")


def test_the_days_are_a_number() -> None:
    assert days_of({}) == 1
    with pytest.raises(SpecError, match="ASYNC_DAYS"):
        days_of({"SLIPSTREAM_GATEWAY_ASYNC_DAYS": "-1"})
