"""A row as an item of the table: where it lies, and the one value by which DynamoDB itself says which of two is newer.

    view     flight_delay:weather@3f9a0c21#7     partition key: model, view, version; and which of 16 parts of it
    entity   ["JFK"]                             sort key: the entity's keys as JSON texts
    row      event time, creation time, payload  binary: 8 bytes each, the highest first, and the values
    until    1362096000000000                    of a row with a time to live: microseconds since 1970, to the row's last moment
    expires  1362096000                          the same in whole seconds, after which DynamoDB removes the item by itself

DynamoDB compares binary values byte by byte, each as a number without sign ("Comparison operator and function reference" of its
developer guide). So one comparison of `row` orders rows by event time, creation time and payload, as every store here does.

A view's rows are spread over 16 partition keys: of one key DynamoDB takes some 1,000 writes and gives 3,000 reads a second
before it has learned to split it. All of them are counted by 16 queries, which read that view and no other.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from include.core.errors import DataError
from include.core.time import MICROSECOND
from include.online_store.layout import AHEAD, EARLIEST
from include.online_store.packed_store import Stored
from include.online_store.store import Row

Item = Mapping[str, Mapping[str, Any]]
Place = tuple[str, str]  # partition key, sort key

VIEW, ENTITY, ROW, UNTIL, EXPIRES = "view", "entity", "row", "until", "expires"
NAMES = {"#row": ROW, "#until": UNTIL}
"""For expressions: some of these are words that DynamoDB keeps for itself."""
NOT_OLDER = "attribute_not_exists(#row) OR #row <= :row OR #until <= :now"
"""What must hold for a row to be written: nothing newer is there that has not outlived its time.

The same row is written again: its time to live begins anew, and a condition that fails costs as much as a write.
"""
LIVE = "attribute_not_exists(#until) OR #until > :now"

PARTS = 16
LONGEST = 1024  # bytes of a sort key; a partition key may have 2,048
LARGEST = 400_000  # bytes of an item are 409,600, names included
_WIDTH = 8
_START = ":["  # between a view and an entity's keys; no name holds it
_ALONE = "-"  # the sort key of what is no entity's row: a mark of a view


def place_of(key: str) -> Place:
    """Where a key's item lies. A key that is too long for DynamoDB lies under its digest."""
    view, found, entity = key.partition(_START)
    if not found:
        return _short(key), _ALONE
    return part_of(view, zlib.crc32(entity.encode()) % PARTS), _short(f"[{entity}")


def key_of(place: Place) -> str:
    """The key of an item, by where it lies; of one that is no entity's row the place itself."""
    return place[0] if place[1] == _ALONE else f"{place[0].rpartition('#')[0]}:{place[1]}"


def part_of(view: str, part: int) -> str:
    """The partition key of one part of a view's rows."""
    return _short(f"{view}#{part}")


def _short(text: str) -> str:
    if len(text) * 4 <= LONGEST or len(raw := text.encode()) <= LONGEST:
        return text
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def key_item(place: Place) -> dict[str, Any]:
    return {VIEW: {"S": place[0]}, ENTITY: {"S": place[1]}}


def item_of(key: str, event: int, created: int, payload: bytes, until: int | None) -> dict[str, Any]:
    """Raises DataError for a row that is larger than an item may be."""
    row = (event - EARLIEST).to_bytes(_WIDTH, "big") + (created - EARLIEST).to_bytes(_WIDTH, "big") + payload
    if len(row) > LARGEST:
        raise DataError(
            "A row is larger than DynamoDB keeps as an item (400 KB).",
            seen=f"{len(row):,} bytes of {key[:200]}",
            safe="nothing of this call was written.",
            hint="make the view's texts or vectors shorter, split the view, or use Redis.",
        )
    item = {**key_item(place_of(key)), ROW: {"B": row}}
    if until is not None:
        item[UNTIL], item[EXPIRES] = {"N": str(until)}, {"N": str(until // 1_000_000 + 1)}
    return item


def clock() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def until_of(now: int, ttl: int | None) -> int | None:
    """The last moment of a row that is written now (microseconds). Its event may lie a little ahead of this clock."""
    return None if ttl is None else now + ttl + AHEAD // MICROSECOND


def is_live(item: Item, now: int) -> bool:
    """DynamoDB removes what has expired within days: until then it is there, and counts as absent."""
    return UNTIL not in item or int(item[UNTIL]["N"]) > now


def live(items: Mapping[Place, Item], places: Sequence[Place]) -> list[Item | None]:
    """The items of the places in their order, None where there is none that lives."""
    now = clock()
    return [item if (item := items.get(place)) is not None and is_live(item, now) else None for place in places]


def place_in(item: Item) -> Place:
    return item[VIEW]["S"], item[ENTITY]["S"]


def row_of(item: Item) -> Row:
    """Event time and payload: what the serving path reads."""
    row: bytes = item[ROW]["B"]
    return int.from_bytes(row[:_WIDTH], "big") + EARLIEST, row[2 * _WIDTH :]


def stored_of(item: Item) -> Stored:
    row: bytes = item[ROW]["B"]
    event, payload = row_of(item)
    return Stored(event, int.from_bytes(row[_WIDTH : 2 * _WIDTH], "big") + EARLIEST, payload)
