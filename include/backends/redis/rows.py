"""Rows from Redis for an event loop: one connection, one MGET at a time for whoever asks meanwhile.

While an answer is on its way, requests gather; the next MGET takes them all. So a busy gateway makes few and large
round trips, and an idle one does not wait. What does not answer in time fails those who asked, and the connection
is made anew for the next.

redis-py's asyncio client takes some two and a half times as long for a request alone, and nearly twice for many (`make bench
AREA=features`): a stream, a pool and a task stand between it and the socket. Packing and parsing are hiredis'.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import redis
from hiredis import ProtocolError, Reader, ReplyError

from include.backends.redis.address import context_of, options_of, words_of
from include.backends.redis.command import command
from include.backends.redis.value import row_of
from include.core.address import shown
from include.core.errors import UnreachableError
from include.online_store.store import Fetched

SECONDS = 0.1  # for an answer, and for the connection: beyond that features are not worth their wait
Done = Callable[[Fetched], None]


class RedisRows(asyncio.Protocol):
    """For one event loop, called on it."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self._options = options_of(url)
        self._secure: ssl.SSLContext | None = None  # made for the first connection, and kept
        self._loop = loop
        self._url, self._address = url, shown(url)
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: list[tuple[Sequence[str], Done]] = []
        self._asked: list[tuple[int, Done]] = []  # whose answer is on its way
        self._greetings = 0  # replies to AUTH and SELECT that are still to come
        self._given_up = 0  # connections that were aborted, and whose end is still to come
        self._reader = Reader()
        self._timer: asyncio.TimerHandle | None = None

    def fetch(self, keys: Sequence[str], done: Done) -> None:
        self._waiting.append((keys, done))
        if self._timer is None:
            self._timer = self._loop.call_later(SECONDS, self._late)
        if self._transport is None:
            if self._connecting is None:
                self._connecting = self._loop.create_task(self._connect())
        elif not self._asked and not self._greetings:
            self._ask()

    def close(self) -> None:
        self._fail("the gateway stops")

    def _ask(self) -> None:
        asked, self._waiting = self._waiting, []
        self._asked = [(len(keys), done) for keys, done in asked]
        assert self._transport is not None
        self._transport.write(command("MGET", *(key for keys, _ in asked for key in keys)))

    # -- the connection ------------------------------------------------------------------------------

    async def _connect(self) -> None:
        options = self._options
        try:
            if "path" in options:
                await self._loop.create_unix_connection(lambda: self, options["path"])
            else:
                self._secure = self._secure or context_of(options)
                host, port = options.get("host", "localhost"), options.get("port", 6379)
                await self._loop.create_connection(lambda: self, host, port, ssl=self._secure)
        except (OSError, ValueError, redis.RedisError) as error:
            self._fail(words_of(error, self._url))
        finally:
            self._connecting = None

    def connection_made(self, transport: Any) -> None:
        self._transport, self._reader = transport, Reader()
        greetings = []
        if self._options.get("password"):
            user = [self._options["username"]] if self._options.get("username") else []
            greetings.append(command("AUTH", *user, self._options["password"]))
        if self._options.get("db"):
            greetings.append(command("SELECT", self._options["db"]))
        self._greetings = len(greetings)
        transport.write(b"".join(greetings))
        if not greetings and self._waiting:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._given_up:  # who has asked meanwhile waits for the next one
            self._given_up -= 1
            return
        self._transport = None
        if self._asked or self._waiting:
            self._fail(str(exc or "it closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            # A failure closes the connection: what else it says is of no use.
            while self._transport is not None and (reply := self._reader.gets()) is not False:
                self._take(reply)
        except ProtocolError as error:
            self._fail(str(error))

    def _take(self, reply: object) -> None:
        if isinstance(reply, ReplyError):
            self._fail(str(reply))
        elif self._greetings:
            self._greetings -= 1
            if not self._greetings and self._waiting:
                self._ask()
        elif isinstance(reply, list) and self._asked:
            self._answer(reply)
        else:
            self._fail("it said what nobody asked for")

    def _answer(self, values: list[bytes | None]) -> None:
        asked, self._asked = self._asked, []
        assert self._timer is not None
        self._timer.cancel()
        self._timer = self._loop.call_later(SECONDS, self._late) if self._waiting else None
        if self._waiting:  # Redis works while the answers are used
            self._ask()
        place = 0
        for count, done in asked:
            done([None if value is None else row_of(value) for value in values[place : place + count]])
            place += count

    def _late(self) -> None:
        self._fail(f"no answer within {SECONDS * 1000:.0f} ms")

    def _fail(self, why: str) -> None:
        """Tell everyone who waits; the next call connects anew."""
        waiting = [done for _, done in (*self._asked, *self._waiting)]
        self._asked, self._waiting, self._greetings = [], [], 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            transport, self._transport = self._transport, None
            self._given_up += 1
            transport.abort()
        error = UnreachableError(
            f"The online store at {self._address} did not answer: {why}.",
            safe="what it holds.",
            hint="check SLIPSTREAM_ONLINE_URL and the server.",
        )
        for done in waiting:
            done(error)
