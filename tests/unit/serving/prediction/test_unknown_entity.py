from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from include.serving.http.request_error import RequestError
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.unknown_entity import without_unknown

KNOWN: Any = ({"rate": 0.5}, ())
NOTHING: Any = ({}, ())
STORE_AWAY: Any = ({}, ("weather",))


class Entity(msgspec.Struct):
    origin: str


class Item(msgspec.Struct):
    entity: Entity


def request(*origins: str, batch: bool = False) -> PendingRequest:
    items: Any = [Item(Entity(origin)) for origin in origins]
    return PendingRequest(items, batch, None, asyncio.Future(loop=asyncio.new_event_loop()))


def test_known_entities_go_on_with_their_features() -> None:
    one, two = request("JFK"), request("LGA", "EWR", batch=True)
    assert without_unknown([one, two], [KNOWN, KNOWN, KNOWN]) == ([one, two], [KNOWN] * 3)


def test_one_unknown_entity_refuses_its_request_alone() -> None:
    one, two, three = request("JFK"), request("LGA", "XXX", batch=True), request("EWR")
    kept, features = without_unknown([one, two, three], [KNOWN, KNOWN, NOTHING, KNOWN])
    assert (kept, features) == ([one, three], [KNOWN, KNOWN])
    with pytest.raises(RequestError, match="Nothing is known of this entity") as caught:
        two.reply.result()
    assert (caught.value.status, caught.value.body["field"]) == (404, "requests[1].entity")


def test_a_store_that_was_away_knows_nothing_and_says_nothing() -> None:
    one = request("JFK")
    assert without_unknown([one], [STORE_AWAY]) == ([one], [STORE_AWAY])


def test_of_several_sets_of_views_one_that_knows_the_entity_is_enough() -> None:
    one, two = request("JFK"), request("XXX")
    kept, _ = without_unknown([one, two], [{"a": NOTHING, "b": KNOWN}, {"a": NOTHING, "b": NOTHING}])
    assert kept == [one]
