"""How we use hiredis beside redis-py's own commands: what a connection of the gateway's own, and commands packed here, earn.

Both sides are the same store on the same server, with the same parser in C, and differ in what stands between it and the
store. They take turns; a figure is the median over the turns of redis-py's time over ours, so that a busy machine troubles
both alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import redis
import redis.asyncio

from benchmarks.features.line import Line
from benchmarks.features.online import ENTITIES, LAYOUTS, fill
from benchmarks.features.stores import redis_server
from include.backends.redis.online_store import READ, SCRIPT, RedisOnlineStore, _lifetime, _starts
from include.backends.redis.rows import Done, RedisRows
from include.backends.redis.value import row_of, values_of
from include.core.spec import Feature, View
from include.online_store.packed_store import Exchange
from include.online_store.row_codec import Packed
from include.online_store.store import Row

TURNS = 15
DAY = datetime.fromisoformat("2013-03-01")
ROWS = 60_000  # of a materialization
TOGETHER = 32  # requests that a busy gateway has under way
Ratios = dict[str, list[float]]  # what was done: redis-py's wall time and CPU time over ours


def run() -> list[Line]:
    with TemporaryDirectory() as scratch, redis_server(Path(scratch)) as url:
        ratios = measure(url)
    return [
        Line(f"redis-py's own commands / ours: {what}", f"{wall:.2f} x, CPU {cpu:.2f} x") for what, (wall, cpu) in ratios.items()
    ]


# -- the other side ---------------------------------------------------------------------------------------


class RedisPyStore(RedisOnlineStore):
    """The store over redis-py's own commands."""

    def _read(self, keys: Sequence[str]) -> list[bytes | None]:
        values: list[bytes | None] = []
        with self._answering():
            for start in range(0, len(keys), READ):
                values += self._client.mget(keys[start : start + READ])
        return values

    def exchange(self, rows: Packed, ttl: int | None) -> Exchange:
        """As ours: everything is sent before the first answer is read, and the next chunk is packed meanwhile."""
        values = values_of(rows)
        with self._answering(), self._connection() as connection:
            parts = [slice(start, start + SCRIPT) for start in _starts(rows.keys)]
            commands: list[tuple[Any, ...]] = [("MSETNX", *_pairs(rows.keys[part], values[part])) for part in parts]
            added = len(commands)
            if ttl is None:
                commands += [("MGET", *rows.keys[part]) for part in parts]
            else:
                lifetime = _lifetime(ttl)
                commands += [("GETEX", key, "PX", lifetime) for key in rows.keys]
            connection.send_packed_command(connection.pack_commands(commands))
            yield
            done = [connection.read_response() for _ in range(added)]
            answers = [connection.read_response() for _ in range(len(commands) - added)]
            found = answers if ttl is not None else [value for each in answers for value in each]
        if all(done) and found == values:
            return len(values), [0] * len(values)
        left = [part.start for part, new in zip(parts, done, strict=True) if not new]
        return self._guarded(rows.keys, values, left, None), self.compare(rows, ttl)


def _pairs(keys: Sequence[str], values: Sequence[bytes]) -> Iterator[str | bytes]:
    for key, value in zip(keys, values, strict=True):
        yield key
        yield value


class RedisPyRows:
    """Rows for an event loop by redis-py's client: requests gather while an answer is on its way, as in ours."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self._client: Any = redis.asyncio.Redis.from_url(url, protocol=2)
        self._loop = loop
        self._waiting: list[tuple[Sequence[str], Done]] = []
        self._task: asyncio.Task[None] | None = None

    def fetch(self, keys: Sequence[str], done: Done) -> None:
        self._waiting.append((keys, done))
        if self._task is None:
            self._task = self._loop.create_task(self._ask())

    async def _ask(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            values = await self._client.mget([key for keys, _ in asked for key in keys])
            place = 0
            for keys, done in asked:
                done([row_of(value) if isinstance(value, bytes) else None for value in values[place : place + len(keys)]])
                place += len(keys)
        self._task = None

    async def close(self) -> None:
        await self._client.aclose()


# -- what is measured -------------------------------------------------------------------------------------


def measure(url: str) -> Ratios:
    ours, theirs = RedisOnlineStore(url), RedisPyStore(url)
    fill(ours)
    return {
        **_reads(ours, theirs),
        **asyncio.run(_gateway(url)),
        **_writes(ours, theirs, url),
    }


def in_turns(ours: Callable[[], object], theirs: Callable[[], object]) -> list[float]:
    """Median wall and CPU ratio; who begins changes from turn to turn."""
    ours(), theirs()
    walls, cpus = [], []
    for turn in range(TURNS):
        sides = (ours, theirs) if turn % 2 else (theirs, ours)
        taken = {side: _timed(side) for side in sides}
        walls.append(taken[theirs][0] / taken[ours][0])
        cpus.append(taken[theirs][1] / taken[ours][1])
    return [median(walls), median(cpus)]


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def _keys(entities: int, start: int) -> list[str]:
    """Of four views of so many entities."""
    named = [{f"key_{letter}": f"K{(start + n) % ENTITIES:06d}" for letter in "abcd"} for n in range(entities)]
    return [layout.entity_key(entity) for entity in named for layout in LAYOUTS]


def _reads(ours: RedisOnlineStore, theirs: RedisOnlineStore) -> Ratios:
    found: Ratios = {}
    for many, calls in ((1, 1000), (100, 50)):
        keys = [_keys(many, 7 * call) for call in range(calls)]

        def read(store: RedisOnlineStore, keys: list[list[str]] = keys) -> None:
            for each in keys:
                store.fetch(each)

        found[f"rows of {many} entities, waiting"] = in_turns(partial(read, ours), partial(read, theirs))
    return found


async def _gateway(url: str) -> Ratios:
    loop = asyncio.get_running_loop()
    ours, theirs = RedisRows(url, loop), RedisPyRows(url, loop)
    found: Ratios = {}
    for together in (1, TOGETHER):
        keys = [_keys(1, 13 * n) for n in range(together)]

        async def busy(rows: RedisRows | RedisPyRows, keys: list[list[str]] = keys) -> None:
            await asyncio.gather(*(_client(rows, each, 1000 // len(keys)) for each in keys))

        found[f"the gateway, {together} request{'s' if together > 1 else ''} under way"] = await _in_turns(
            partial(busy, ours), partial(busy, theirs)
        )
    ours.close()
    await theirs.close()
    return found


async def _client(rows: RedisRows | RedisPyRows, keys: list[str], calls: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(calls):
        answer: asyncio.Future[list[Row | None] | Exception] = loop.create_future()
        rows.fetch(keys, answer.set_result)
        await answer


async def _in_turns(ours: Callable[[], Awaitable[None]], theirs: Callable[[], Awaitable[None]]) -> list[float]:
    await ours()
    await theirs()
    walls, cpus = [], []
    for turn in range(TURNS):
        taken = {}
        for side in (ours, theirs) if turn % 2 else (theirs, ours):
            wall, cpu = time.perf_counter(), time.process_time()
            await side()
            taken[side] = time.perf_counter() - wall, time.process_time() - cpu
        walls.append(taken[theirs][0] / taken[ours][0])
        cpus.append(taken[theirs][1] / taken[ours][1])
    return [median(walls), median(cpus)]


def _writes(ours: RedisOnlineStore, theirs: RedisOnlineStore, url: str) -> Ratios:
    """As materialize does: written, read back, compared. A view that the server does not hold, and the same once more."""
    client = redis.Redis.from_url(url)
    found: Ratios = {}
    for ttl in (None, timedelta(days=9999)):
        view = View(name="written", keys=("key",), features=tuple(Feature(name=f"f{n}") for n in range(6)), ttl=ttl)
        table = _table(view)

        def write(store: RedisOnlineStore, view: View = view, table: pa.Table = table) -> None:
            if len(store.write_back("new", view, table, DAY).same) != ROWS:
                raise RuntimeError("not every row is online as it was written")

        def anew(store: RedisOnlineStore, write: Callable[[RedisOnlineStore], None] = write) -> None:
            client.flushdb()
            write(store)

        kept = "without a ttl" if ttl is None else "with a ttl"
        found[f"new rows, {kept}"] = in_turns(partial(anew, ours), partial(anew, theirs))
    return found


def _table(view: View) -> pa.Table:
    chance = np.random.default_rng(2)
    values = {feature.name: chance.normal(size=ROWS) for feature in view.features}
    times = pa.array([DAY] * ROWS, pa.timestamp("us"))
    return pa.table({"key": [f"K{n:06d}" for n in range(ROWS)], "event_timestamp": times, **values})
