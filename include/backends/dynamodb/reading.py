"""Batches of items from DynamoDB: up to 100 keys a request, and again for those that it left unprocessed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, TypeVar

from include.backends.dynamodb.item import ENTITY, NAMES, VIEW, Item, Place, key_item, place_in
from include.core.errors import UnreachableError

BATCH = 100  # keys of a BatchGetItem; DynamoDB takes no more
TOGETHER = 16  # requests under way at once, of the 32 connections that a client has
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 1.0  # seconds before unprocessed keys are asked for again; it doubles, and chance shortens it
T = TypeVar("T")
R = TypeVar("R")
_FIELDS = {"#view": VIEW, "#entity": ENTITY, **NAMES}
_PROJECTION = ", ".join(_FIELDS)


def read(client: Any, table: str, places: Iterable[Place], *, strong: bool, seconds: float) -> dict[Place, Item]:
    """The items that are there, also those that have expired. Each place is asked for once.

    Raises UnreachableError where DynamoDB leaves keys unprocessed for so long, and botocore's errors.
    """
    distinct = list(dict.fromkeys(places))
    until = time.monotonic() + seconds
    batches = [distinct[start : start + BATCH] for start in range(0, len(distinct), BATCH)]
    found = together(lambda batch: _batch(client, table, batch, strong, until), batches)
    return {place_in(item): item for item in chain.from_iterable(found)}


def together(call: Callable[[T], R], each: Sequence[T]) -> list[R]:
    """What the call gives for each, several at once. The first error is raised, and the calls that have not begun never do."""
    if len(each) < 2:
        return [call(one) for one in each]
    pool = ThreadPoolExecutor(min(TOGETHER, len(each)))
    try:
        return list(pool.map(call, each))
    finally:
        pool.shutdown(cancel_futures=True)


def _batch(client: Any, table: str, places: Sequence[Place], strong: bool, until: float) -> list[Item]:
    wanted: Mapping[str, Any] = {
        table: {
            "Keys": [key_item(place) for place in places],
            "ConsistentRead": strong,
            "ProjectionExpression": _PROJECTION,
            "ExpressionAttributeNames": _FIELDS,
        }
    }
    found: list[Item] = []
    pause = FIRST_PAUSE
    while True:
        answer = client.batch_get_item(RequestItems=wanted)
        found += answer["Responses"].get(table, ())
        wanted = answer.get("UnprocessedKeys") or {}
        if not wanted:
            return found
        wait = pause * random.uniform(0.5, 1)  # of many who were throttled at once, not all come back at once
        if time.monotonic() + wait > until:
            left = len(wanted[table]["Keys"])
            raise UnreachableError(
                f"DynamoDB left {left} of {len(places)} keys of the table {table} unprocessed: it throttles.",
                safe="what it holds.",
                hint="it is tried again; give the table more capacity, or make it on-demand.",
            )
        time.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)
