from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from include.backends.redis.command import command
from include.backends.redis.rows import RedisRows
from include.backends.redis.value import WIDTH
from include.core.errors import UnreachableError
from include.online_store.layout import EARLIEST

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
VALUE = b"%0*d%0*d%b" % (WIDTH, 5 - EARLIEST, WIDTH, 6 - EARLIEST, b"pay\r\nload")


def reply(*values: bytes | None) -> bytes:
    parts = [b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value) for value in values]
    return b"*%d\r\n" % len(values) + b"".join(parts)


async def fetch(rows: RedisRows, *keys: str) -> Any:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    rows.fetch(list(keys), done.set_result)
    return await asyncio.wait_for(done, 5)


def with_server(answer: Answer, body: Callable[[RedisRows], Awaitable[None]], url: str = "redis://127.0.0.1:{port}/0") -> None:
    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await body(RedisRows(url.format(port=port), asyncio.get_running_loop()))

    asyncio.run(run())


def test_requests_that_gather_while_one_is_answered_share_the_next_round_trip() -> None:
    seen: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            count = int(line[1:]) - 1
            for _ in range(2 * (count + 1)):
                await reader.readline()
            seen.append(count)
            await asyncio.sleep(0.02)
            writer.write(reply(*[VALUE if n % 2 == 0 else None for n in range(count)])[:10])
            await writer.drain()
            await asyncio.sleep(0.005)
            writer.write(reply(*[VALUE if n % 2 == 0 else None for n in range(count)])[10:])

    async def body(rows: RedisRows) -> None:
        first = asyncio.create_task(fetch(rows, "a", "b"))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(fetch(rows, "c", "d")) for _ in range(5)]
        row = (5, b"pay\r\nload")
        assert await first == [row, None]
        assert [await other for other in others] == [[row, None]] * 5
        assert seen == [2, 10]

    with_server(answer, body)


def test_a_server_that_hangs_up_or_hangs_fails_those_who_asked_and_is_asked_anew() -> None:
    turns = iter(["close", "hang", "error", "answer"])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        how = next(turns)
        if how == "hang":
            await asyncio.sleep(1)
        if how == "error":
            writer.write(b"-LOADING Redis is loading the dataset in memory\r\n")
        if how == "answer":
            writer.write(reply(VALUE))
        if how != "answer":
            writer.close()

    async def body(rows: RedisRows) -> None:
        for why in ("closed", "within", "LOADING"):
            failed = await fetch(rows, "a")
            assert isinstance(failed, UnreachableError)
            assert why in str(failed)
        assert await fetch(rows, "a") == [(5, b"pay\r\nload")]

    with_server(answer, body)


def test_user_password_and_database_are_sent_first() -> None:
    got = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend(await reader.read(1000))
        writer.write(b"+OK\r\n+OK\r\n")
        got.extend(await reader.read(1000))
        writer.write(reply(None))

    async def body(rows: RedisRows) -> None:
        assert await fetch(rows, "a") == [None]
        assert bytes(got) == command("AUTH", "me", "secret") + command("SELECT", "3") + command("MGET", "a")

    with_server(answer, body, "redis://me:secret@127.0.0.1:{port}/3")


def test_nobody_there_is_an_error_without_the_password() -> None:
    async def run() -> None:
        failed = await fetch(RedisRows("redis://:secret@127.0.0.1:9/0", asyncio.get_running_loop()), "a")
        assert isinstance(failed, UnreachableError)
        assert "secret" not in str(failed)

    asyncio.run(run())


def test_who_asks_while_a_connection_is_given_up_is_answered_by_the_next_one() -> None:
    connections: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await reader.readline()
        if len(connections) > 1:  # the first one says nothing
            writer.write(reply(VALUE))
        await reader.read()

    async def body(rows: RedisRows) -> None:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        late: list[Any] = []

        def again(answer: Any) -> None:
            late.append(answer)
            rows.fetch(["a"], done.set_result)  # before the end of the connection that was too late is told

        rows.fetch(["a"], again)
        assert await asyncio.wait_for(done, 5) == [(5, b"pay\r\nload")]
        assert "no answer within" in late[0].what
        rows.close()

    with_server(answer, body)
