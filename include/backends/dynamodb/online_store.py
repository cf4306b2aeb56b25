"""The online store in DynamoDB: an item a row, guarded by the condition of its own write.

    dynamodb:PutItem, BatchGetItem, Query                                          what tasks and a gateway that takes pushes call
    dynamodb:Scan, DeleteItem                                                      and what `slipstream forget` calls; to name
    dynamodb:DescribeContinuousBackups, ListBackups, DescribeTable                 what AWS keeps of it, it asks these as well
    dynamodb:BatchGetItem, Query                                                   what a gateway that only reads calls
    dynamodb:DescribeTable, CreateTable, DescribeTimeToLive, UpdateTimeToLive      with `?create=yes` alone

A row is written by one PutItem: there is no moment between the look and the write, and of writers at once, killed or not, the
newest row stays. Several are under way at once. Tasks and commands read strongly consistently: what was written is read back. A
gateway's reads are eventually consistent, at half the price, unless the address says `?reads=strong`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import Any

from include.backends.aws.errors import code, reaching
from include.backends.dynamodb.address import address_of
from include.backends.dynamodb.item import (
    ENTITY,
    LIVE,
    NAMES,
    NOT_OLDER,
    PARTS,
    ROW,
    UNTIL,
    VIEW,
    Item,
    clock,
    is_live,
    item_of,
    key_item,
    key_of,
    live,
    part_of,
    place_in,
    place_of,
    row_of,
    stored_of,
    until_of,
)
from include.backends.dynamodb.kept import kept
from include.backends.dynamodb.reading import read, together
from include.backends.dynamodb.rows import DynamoRows
from include.backends.dynamodb.table import make_table
from include.core.ports import OpenAws
from include.online_store.packed_store import PackedStore, Stored
from include.online_store.row_codec import Packed
from include.online_store.store import Row, RowFetcher

PATIENCE = 30.0  # seconds in which a task asks again for keys that were left unprocessed; then it fails, and is retried
LOOK = 100  # items of a part that are looked through for one that lives
_OLDER = "ConditionalCheckFailedException"


class DynamoOnlineStore(PackedStore):
    def __init__(self, url: str, aws: OpenAws) -> None:
        super().__init__()
        self._address, self._aws = address_of(url), aws
        self._ready, self._making = not self._address.create, Lock()

    @cached_property
    def _client(self) -> Any:
        return self._aws().client("dynamodb")

    def put(self, rows: Packed, ttl: int | None) -> int:
        until = until_of(clock(), ttl)
        each = zip(rows.keys, rows.events, rows.created, rows.payloads, strict=True)
        items = [item_of(*row, until) for row in each]
        with self._reaching():
            return sum(together(self._put, items))

    def _put(self, item: Item) -> bool:
        """Whether it replaced another row, or none. After a lost answer the client writes again: the same row."""
        now = clock()
        try:
            answer = self._client.put_item(
                TableName=self._address.table,
                Item=item,
                ConditionExpression=NOT_OLDER,
                ExpressionAttributeNames=NAMES,
                ExpressionAttributeValues={":row": item[ROW], ":now": {"N": str(now)}},
                ReturnValues="ALL_OLD",
            )
        except self._client.exceptions.ClientError as error:
            if code(error) != _OLDER:
                raise
            return False
        old = answer.get("Attributes")
        return not (old and is_live(old, now) and old[ROW]["B"] == item[ROW]["B"])

    def get(self, keys: Sequence[str]) -> list[Stored | None]:
        return [None if item is None else stored_of(item) for item in self._items(keys)]

    def fetch(self, keys: Sequence[str]) -> list[Row | None]:
        return [None if item is None else row_of(item) for item in self._items(keys)]

    def _items(self, keys: Sequence[str]) -> list[Item | None]:
        places = list(map(place_of, keys))
        with self._reaching():
            return live(read(self._client, self._address.table, places, strong=True, seconds=PATIENCE), places)

    def rows(self, loop: asyncio.AbstractEventLoop) -> RowFetcher:
        return DynamoRows(self._address, self._aws, loop)

    def size(self, prefix: str) -> int:
        with self._reaching():
            return sum(together(self._counted, _parts(prefix)))

    def _counted(self, part: str) -> int:
        pages = self._client.get_paginator("query").paginate(**self._query(part))
        return sum(page["Count"] for page in pages)

    def has(self, prefix: str) -> bool:
        """Looks at LOOK items of a part, the next where none of them lives: of an empty view all parts are asked."""
        more = False
        with self._reaching():
            for part in _parts(prefix):
                page = self._client.query(**self._query(part), Limit=LOOK)
                if page["Count"]:
                    return True
                more = more or "LastEvaluatedKey" in page
        return more

    def _query(self, part: str) -> dict[str, Any]:
        return {
            "TableName": self._address.table,
            "Select": "COUNT",
            "ConsistentRead": True,
            "KeyConditionExpression": "#view = :view",
            "FilterExpression": LIVE,
            "ExpressionAttributeNames": {"#view": VIEW, "#until": UNTIL},
            "ExpressionAttributeValues": {":view": {"S": part}, ":now": {"N": str(clock())}},
        }

    def expire(self, prefix: str) -> int:
        del prefix  # DynamoDB removes them itself
        return 0

    def walk(self, prefix: str) -> Iterator[str]:
        """By a Scan of the table, which reads every view of every model. Keys that lie under their digest are not among them."""
        asked = {
            "TableName": self._address.table,
            "ConsistentRead": True,
            "FilterExpression": "begins_with(#view, :prefix)",
            "ProjectionExpression": "#view, #entity",
            "ExpressionAttributeNames": {"#view": VIEW, "#entity": ENTITY},
            "ExpressionAttributeValues": {":prefix": {"S": prefix}},
        }
        with self._reaching():
            for page in self._client.get_paginator("scan").paginate(**asked):
                yield from map(key_of, map(place_in, page["Items"]))

    def drop(self, keys: Sequence[str]) -> int:
        with self._reaching():
            return sum(together(self._dropped, keys))

    def _dropped(self, key: str) -> bool:
        place = key_item(place_of(key))
        return "Attributes" in self._client.delete_item(TableName=self._address.table, Key=place, ReturnValues="ALL_OLD")

    def purge(self) -> list[str]:
        with self._reaching():
            return kept(self._client, self._address.table)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        with reaching(
            f"the online store {self._address}",
            safe="what it holds; rows already written stay, and writing them again changes nothing.",
            hint="check SLIPSTREAM_ONLINE_URL and the region. The stack makes the table; for development ?create=yes does.",
        ):
            with self._making:  # and one of several threads opens the client
                client = self._client
                if not self._ready:
                    make_table(client, self._address)
                    self._ready = True
            yield


def _parts(prefix: str) -> list[str]:
    """The partition keys of the rows whose keys start with that: a view's, and its colon."""
    return [part_of(prefix.removesuffix(":"), part) for part in range(PARTS)]
