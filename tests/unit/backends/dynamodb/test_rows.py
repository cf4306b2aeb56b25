from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

import pytest

from include.backends.dynamodb import rows as module
from include.backends.dynamodb.address import Address
from include.backends.dynamodb.item import clock
from include.backends.dynamodb.online_store import DynamoOnlineStore
from include.backends.dynamodb.rows import DynamoRows
from include.core.errors import PermanentError, UnreachableError
from include.core.spec import Data, Feature, Features, ModelSpec, Training, View
from include.serving.prediction.online_features import FeatureReader
from include.serving.prediction.online_features import Features as Read
from include.serving.prediction.request_types import Contract
from tests.support.dynamodb_stub import Stub, stub

DAY = datetime.fromisoformat("2026-01-02")
SPEC = ModelSpec(
    name="toy", owner="tests", description="a toy", label="late",
    data=Data(sources=("things",), first=date(2020, 1, 1)),
    features=Features(build="x:a", entities="x:b", labels="x:c", request=(),
                      views=(View(name="weather", keys=("place",), features=(Feature(name="heat"),)),)),
    expectations="x:d", training=Training(fit="x:e"),
)  # fmt: skip
KEYS = [f'm:v@1:["D{n}"]' for n in range(300)]


async def fetch(rows: DynamoRows, *keys: str) -> Any:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    rows.fetch(list(keys), done.set_result)
    return await asyncio.wait_for(done, 5)


def with_stub(body: Callable[[DynamoRows, Stub], Awaitable[None]], *, strong: bool = False) -> None:
    async def run(server: Stub, aws: Any) -> None:
        rows = DynamoRows(Address("online", strong), lambda: aws, asyncio.get_running_loop())
        while not server.asked:  # the greeting
            await asyncio.sleep(0.001)
        server.asked.clear()
        try:
            await body(rows, server)
        finally:
            server.go_on.set()
            rows.close()

    with stub() as (server, aws):
        asyncio.run(run(server, aws))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer than a request waits."""
    monkeypatch.setattr(module, "SECONDS", 5.0)


@pytest.mark.usefixtures("patient")
def test_rows_come_in_the_order_asked_and_expired_ones_are_not_there() -> None:
    async def body(rows: DynamoRows, server: Stub) -> None:
        server.put(KEYS[0], 5, b"zero")
        server.put(KEYS[1], 6, b"one", until=clock() - 1)
        server.put(KEYS[2], 7, b"two", until=clock() + 10**9)
        assert await fetch(rows, KEYS[2], KEYS[1], "nobody's", KEYS[0], KEYS[2]) == [
            (7, b"two"), None, None, (5, b"zero"), (7, b"two")
        ]  # fmt: skip
        assert server.strong == {False}

    with_stub(body)


@pytest.mark.usefixtures("patient")
def test_requests_gather_while_others_are_under_way_up_to_a_hundred_keys() -> None:
    async def body(rows: DynamoRows, server: Stub) -> None:
        for key in KEYS:
            server.put(key, 1, key.encode())
        server.turns.extend(["hang"] * module.LANES)
        first = [asyncio.create_task(fetch(rows, KEYS[n])) for n in range(module.LANES)]
        while len(server.asked) < module.LANES:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(fetch(rows, *KEYS[30 * n : 30 * n + 30])) for n in range(5)]
        await asyncio.sleep(0)
        server.go_on.set()
        assert [await task for task in first] == [[(1, KEYS[n].encode())] for n in range(module.LANES)]
        assert [len(await task) for task in others] == [30] * 5
        assert sorted(server.asked[module.LANES :]) == [60, 90]
        assert [len(each) for each in [await fetch(rows, *KEYS)]] == [300]

    with_stub(body)


def test_who_has_waited_long_enough_is_told_and_the_next_is_answered() -> None:
    async def body(rows: DynamoRows, server: Stub) -> None:
        server.put(KEYS[0], 5, b"zero")
        server.turns.extend(["hang"] * (module.LANES + 1))
        late = await asyncio.gather(*(fetch(rows, KEYS[0]) for _ in range(module.LANES + 2)))
        assert all(isinstance(error, UnreachableError) for error in late)
        assert "dynamodb://online" in str(late[0])
        server.turns.clear()
        server.go_on.set()
        while isinstance(found := await fetch(rows, KEYS[0]), Exception):  # threads end a little later than whoever waited
            assert isinstance(found, UnreachableError)
        assert found == [(5, b"zero")]

    with_stub(body)


@pytest.mark.usefixtures("patient")
def test_a_throttled_table_is_an_unreachable_store_and_nothing_is_tried_twice() -> None:
    async def body(rows: DynamoRows, server: Stub) -> None:
        server.turns.append("throttle")
        assert isinstance(await fetch(rows, KEYS[0]), UnreachableError)
        assert server.asked == [1]
        server.turns.append("missing")
        assert isinstance(await fetch(rows, KEYS[0]), PermanentError)
        assert await fetch(rows, KEYS[0]) == [None]
        assert server.strong == {True}

    with_stub(body, strong=True)


def test_keys_that_stay_unprocessed_are_given_up_within_a_requests_time() -> None:
    async def body(rows: DynamoRows, server: Stub) -> None:
        server.turns.extend(["1"] * 1000)
        assert isinstance(await fetch(rows, KEYS[0]), UnreachableError)
        assert len(server.asked) > 1

    with_stub(body)


def test_closing_tells_who_waits_and_who_comes_after() -> None:
    async def body(rows: DynamoRows, server: Stub) -> None:
        server.turns.append("hang")
        waiting = asyncio.create_task(fetch(rows, KEYS[0]))
        await asyncio.sleep(0)
        rows.close()
        for error in (await waiting, await fetch(rows, KEYS[0])):
            assert isinstance(error, UnreachableError)
            assert "stops" in str(error)

    with_stub(body)


@pytest.mark.usefixtures("patient")
def test_a_throttled_store_degrades_a_request_as_redis_down_does() -> None:
    async def asked(server: Stub, aws: Any) -> None:
        reader = FeatureReader(lambda: DynamoOnlineStore("dynamodb://online", lambda: aws))
        bodies = [b'{"entity": {"place": "oslo"}}', b'{"entity": {"place": "rome"}}']
        items = [item for body in bodies for item in Contract(SPEC).decode(body)[0]]
        fetcher = reader.rows()
        assert fetcher is not None
        while not server.asked:
            await asyncio.sleep(0.001)
        server.turns.append("throttle")
        found: asyncio.Future[list[Read]] = asyncio.get_running_loop().create_future()
        reader.source(SPEC, SPEC.features.views).read(items, DAY, found.set_result)
        assert await asyncio.wait_for(found, 20) == [({}, ["features"])] * 2
        assert (reader.failures, reader.breaker.state) == (1, "open")
        fetcher.close()

    with stub() as (server, aws):
        asyncio.run(asked(server, aws))
