from __future__ import annotations

import pytest

from include.backends.redis.value import row_of, stored_of, values_of
from include.online_store.layout import EARLIEST
from include.online_store.row_codec import Packed


@pytest.mark.parametrize("event", [EARLIEST, -1, 0, 1_362_096_000_000_000])
def test_a_value_gives_its_times_and_its_payload_back(event: int) -> None:
    (value,) = values_of(Packed(["k"], [event], [event + 7], [b"pay\r\nload"], [0]))
    assert row_of(value) == (event, b"pay\r\nload")
    assert stored_of(value) == (event, event + 7, b"pay\r\nload")


def test_values_sort_as_their_events_do() -> None:
    events = [EARLIEST, -5, 0, 3, 10**15]
    values = values_of(Packed(list("abcde"), events, [0] * 5, [b""] * 5, [0] * 5))
    assert sorted(values) == values
