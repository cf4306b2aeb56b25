"""Rows from DynamoDB for an event loop: a few requests under way, each for whoever asked meanwhile.

boto3 waits in threads, so the loop goes on. While as many as LANES requests are under way, keys gather, and the next request
takes up to 100 of them: a busy gateway makes few and large ones. Whoever has waited for SECONDS is told that the store did not
answer, whatever the threads still wait for: their own time-outs end them soon after, and nothing is tried twice by the client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from include.backends.aws.errors import reaching
from include.backends.dynamodb.address import Address
from include.backends.dynamodb.item import Item, Place, live, place_of, row_of
from include.backends.dynamodb.reading import BATCH, read
from include.core.errors import UnreachableError, one_line
from include.core.ports import OpenAws
from include.online_store.store import Fetched, Row

SECONDS = 0.1  # for an answer, and for the connection: beyond that features are not worth their wait
LANES = 4  # requests under way at once
log = logging.getLogger(__name__)
Done = Callable[[Fetched], None]


class _Asked:
    """One call of `fetch`: told its rows, or that they did not come in time, whichever is first."""

    __slots__ = ("done", "places", "timer")

    def __init__(self, places: list[Place], done: Done) -> None:
        self.places, self.done = places, done
        self.timer: asyncio.TimerHandle | None = None

    def tell(self, answer: Fetched) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
            self.done(answer)


class DynamoRows:
    """For one event loop, called on it."""

    def __init__(self, address: Address, aws: OpenAws, loop: asyncio.AbstractEventLoop) -> None:
        self._address, self._loop = address, loop
        self._client = aws().client("dynamodb", SECONDS)
        self._waiting: list[_Asked] = []
        self._under_way: dict[int, list[_Asked]] = {}
        self._number = 0
        self._lanes = ThreadPoolExecutor(LANES, "dynamodb-rows")
        self._closed = False
        self._lanes.submit(self._greet)

    def fetch(self, keys: Sequence[str], done: Done) -> None:
        asked = _Asked([place_of(key) for key in keys], done)
        asked.timer = self._loop.call_later(SECONDS, self._late, asked)
        if self._closed:
            asked.tell(self._error("the gateway stops"))
            return
        self._waiting.append(asked)
        self._ask()

    def close(self) -> None:
        self._closed = True
        for asked in (*self._waiting, *(each for some in self._under_way.values() for each in some)):
            asked.tell(self._error("the gateway stops"))
        self._waiting, self._under_way = [], {}
        self._lanes.shutdown(wait=False, cancel_futures=True)

    def _greet(self) -> None:
        """The first login and connection take longer than a request may: they are made before one needs them."""
        try:
            self._read([("-", "-")])
        except Exception as error:  # noqa: BLE001 - who asks for rows is told what is wrong
            log.warning("the online store does not answer yet: %s", one_line(error))

    def _ask(self) -> None:
        while self._waiting and len(self._under_way) < LANES:
            taken, count = 0, 0
            for asked in self._waiting:
                if taken and count + len(asked.places) > BATCH:
                    break
                taken, count = taken + 1, count + len(asked.places)
            together, self._waiting = self._waiting[:taken], self._waiting[taken:]
            self._number += 1
            self._under_way[self._number] = together
            self._lanes.submit(self._fetch, self._number, [place for asked in together for place in asked.places])

    # -- in a thread ------------------------------------------------------------------------------------

    def _fetch(self, number: int, places: list[Place]) -> None:
        found: dict[Place, Item] | Exception
        try:
            found = self._read(places)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told
            found = error
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            self._loop.call_soon_threadsafe(self._answer, number, found)

    def _read(self, places: list[Place]) -> dict[Place, Item]:
        with reaching(f"the online store {self._address}", safe="what it holds.", hint="check SLIPSTREAM_ONLINE_URL."):
            return read(self._client, self._address.table, places, strong=self._address.strong, seconds=SECONDS)

    # -- on the loop -------------------------------------------------------------------------------------

    def _answer(self, number: int, found: dict[Place, Item] | Exception) -> None:
        together = self._under_way.pop(number, [])
        self._ask()  # the next ones are on their way while these are used
        for asked in together:
            asked.tell(found if isinstance(found, Exception) else _rows(found, asked.places))

    def _late(self, asked: _Asked) -> None:
        if asked in self._waiting:
            self._waiting.remove(asked)
        asked.tell(self._error(f"no answer within {SECONDS * 1000:.0f} ms"))

    def _error(self, why: str) -> UnreachableError:
        return UnreachableError(
            f"The online store {self._address} did not answer: {why}.",
            safe="what it holds.",
            hint="check SLIPSTREAM_ONLINE_URL, and whether DynamoDB throttles the table.",
        )


def _rows(items: Mapping[Place, Item], places: Sequence[Place]) -> list[Row | None]:
    return [None if item is None else row_of(item) for item in live(items, places)]
