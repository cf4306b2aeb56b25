from __future__ import annotations

import random

import pytest

from include.backends.dynamodb.item import (
    EXPIRES,
    LARGEST,
    LONGEST,
    PARTS,
    ROW,
    UNTIL,
    clock,
    is_live,
    item_of,
    part_of,
    place_of,
    row_of,
    stored_of,
    until_of,
)
from include.core.errors import DataError
from include.online_store.layout import EARLIEST
from tests.support.error_message import assert_says

KEY = 'm:route@1a2b3c4d:["JFK","LAX"]'


def test_a_view_lies_under_its_parts_and_an_entity_always_under_the_same() -> None:
    places = {place_of(f'm:route@1a2b3c4d:["D{n}"]') for n in range(2000)}
    assert {view for view, _ in places} == {part_of("m:route@1a2b3c4d", part) for part in range(PARTS)}
    assert place_of(KEY) == place_of(KEY)
    assert place_of(KEY)[1] == '["JFK","LAX"]'


@pytest.mark.parametrize("key", ["m:route@1a2b3c4d!newest", "!none", "a key that nobody made"])
def test_what_is_no_entitys_row_lies_apart(key: str) -> None:
    assert place_of(key) == (key, "-")


def test_a_key_that_is_too_long_for_dynamodb_lies_under_its_digest() -> None:
    longest = "é" * ((LONGEST - 4) // 2)
    fits, first, second = (place_of(f'm:v@1:["{text}"]')[1] for text in (longest, f"{longest}é", f"{longest}è"))
    assert len(fits.encode()) == LONGEST
    assert first.startswith("sha256:")
    assert first != second
    assert place_of("x" * 5000)[0].startswith("sha256:")


def test_rows_are_ordered_as_their_bytes_are() -> None:
    chance = random.Random(1)
    times = [EARLIEST, -1, 0, 1, 255, 256, 2**40, 10**16]
    rows = [(chance.choice(times), chance.choice(times), chance.choice([b"", b"\x00", b"a", b"\xff"])) for _ in range(200)]
    assert sorted(rows) == sorted(rows, key=lambda row: item_of(KEY, row[0], row[1], row[2], None)[ROW]["B"])


def test_a_row_is_read_as_it_was_written() -> None:
    item = item_of(KEY, -5, 7, b"payload", None)
    assert row_of(item) == (-5, b"payload")
    assert stored_of(item) == (-5, 7, b"payload")
    assert set(item) == {"view", "entity", ROW}


def test_a_row_lives_to_its_last_moment_and_dynamodb_removes_it_only_after_that() -> None:
    until = until_of(1_000_000_000_000_000, 5_400_000_001)
    assert until == 1_000_009_000_000_001  # an hour and a half later, and an hour for clocks
    item = item_of(KEY, 1, 1, b"", until)
    assert (item[UNTIL], item[EXPIRES]) == ({"N": str(until)}, {"N": "1000009001"})
    assert (is_live(item, until - 1), is_live(item, until)) == (True, False)
    assert until_of(clock(), None) is None
    assert is_live(item_of(KEY, 1, 1, b"", None), 2**62)


def test_a_row_larger_than_an_item_is_refused_before_anything_is_written() -> None:
    with pytest.raises(DataError) as refused:
        item_of(KEY, 1, 1, bytes(LARGEST), None)
    assert_says(refused.value, "400 KB", "nothing of this call was written", "JFK")
