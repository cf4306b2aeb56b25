from __future__ import annotations

import pytest

from include.backends.dynamodb.item import Place, place_of, row_of
from include.backends.dynamodb.online_store import DynamoOnlineStore
from include.backends.dynamodb.reading import read, together
from include.core.errors import PermanentError, UnreachableError
from tests.support.dynamodb_stub import Stub, stub
from tests.support.error_message import assert_says


def places(count: int) -> list[Place]:
    return [place_of(f'm:v@1:["D{n}"]') for n in range(count)]


def filled(server: Stub, count: int) -> None:
    for n in range(count):
        server.put(f'm:v@1:["D{n}"]', n, b"%d" % n)


def test_a_hundred_keys_a_request_each_of_them_once() -> None:
    with stub() as (server, aws):
        filled(server, 240)
        wanted = places(250)
        found = read(aws.client("dynamodb"), "online", [*wanted, *wanted], strong=True, seconds=5)
        assert sorted(server.asked) == [50, 100, 100]
        assert server.strong == {True}
        assert [row_of(found[place]) for place in wanted[:240]] == [(n, b"%d" % n) for n in range(240)]
        assert len(found) == 240


def test_keys_that_were_left_unprocessed_are_asked_for_again_and_no_others() -> None:
    with stub() as (server, aws):
        filled(server, 100)
        server.turns.extend(["60", "20", "1", "0"])
        found = read(aws.client("dynamodb"), "online", places(100), strong=False, seconds=5)
        assert server.asked == [100, 60, 20, 1]
        assert len(found) == 100
        assert server.strong == {False}


def test_keys_that_stay_unprocessed_are_an_unreachable_store() -> None:
    with stub() as (server, aws):
        server.turns.extend(["3"] * 1000)
        with pytest.raises(UnreachableError) as failed:
            read(aws.client("dynamodb"), "online", places(3), strong=False, seconds=0.05)
        assert_says(failed.value, "3 of 3 keys", "online", "throttles")


def test_the_stores_own_reads_are_strongly_consistent_and_outlive_a_throttled_answer() -> None:
    with stub() as (server, aws):
        filled(server, 2)
        server.turns.append("throttle")  # which the client tries again
        store = DynamoOnlineStore("dynamodb://online", lambda: aws)
        assert store.fetch(['m:v@1:["D1"]', "nobody's", 'm:v@1:["D1"]']) == [(1, b"1"), None, (1, b"1")]
        assert (server.asked, server.strong) == ([2, 2], {True})


def test_a_missing_table_says_who_makes_it() -> None:
    with stub() as (server, aws):
        server.turns.append("missing")
        with pytest.raises(PermanentError) as failed:
            DynamoOnlineStore("dynamodb://online", lambda: aws).fetch(["nobody's"])
        assert_says(failed.value, "dynamodb://online", "SLIPSTREAM_ONLINE_URL", "?create=yes")


def test_the_first_error_is_raised_and_what_has_not_begun_never_does() -> None:
    begun: list[int] = []

    def call(n: int) -> int:
        begun.append(n)
        raise ValueError(n)

    with pytest.raises(ValueError, match="0"):
        together(call, range(500))
    assert len(begun) < 500
    assert together(lambda n: n + 1, range(50)) == list(range(1, 51))
