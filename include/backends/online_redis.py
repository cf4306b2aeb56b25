"""The online store in Redis: a string a row, guarded by a script that Redis runs atomically.

A value is its event time, its creation time (17 digits each) and the payload. Needs Redis 2.6 or later; one server, or
a primary with replicas (the script takes many keys at once, which a Redis Cluster would refuse).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import redis

from include.core.errors import UnreachableError
from include.features.online import PackedStore, Rows, Stored
from include.features.packed import AHEAD, EARLIEST, MICROSECOND, Packed

WIDTH = 17  # digits of a time: microseconds since 1653, so that text sorts as time does
SCRIPT = 500  # rows a script call: Redis serves nobody else meanwhile
READ = 1000  # keys an MGET
_pack = msgspec.msgpack.Encoder().encode

# Both scripts take the keys and the values' lengths as one MessagePack argument and the values as one text (Redis' own
# MessagePack has no binary): the client would spend more on thousands of arguments than Redis does on the rows.
_ROWS = """
local function larger(a, b)  -- byte by byte: Lua's own comparison asks the locale
    for i = 1, math.min(#a, #b) do
        local x, y = a:byte(i), b:byte(i)
        if x ~= y then return x > y end
    end
    return #a > #b
end
local rows, values, start = cmsgpack.unpack(ARGV[1]), {}, 1
local keys = rows[1]
local stored = redis.call('MGET', unpack(keys))
local whole = true
for i = 1, #keys do if not stored[i] or #stored[i] ~= rows[2][i] then whole = false break end end
if whole and table.concat(stored) == ARGV[2] then return COMMON end
for i, length in ipairs(rows[2]) do
    values[i] = ARGV[2]:sub(start, start + length - 1)
    start = start + length
end
"""

_GUARDED_SET = f"""{_ROWS.replace("COMMON", "0")}
local lifetime, changed, pairs = ARGV[3], 0, {{}}
for i, key in ipairs(keys) do
    local new, old, newer = values[i], stored[i], true
    if old then
        local times, old_times = new:sub(1, 34), old:sub(1, 34)
        newer = times > old_times or (times == old_times and new ~= old and larger(new, old))
    end
    if newer then
        changed = changed + 1
        if lifetime ~= '' then redis.call('SET', key, new, 'PX', lifetime)
        else pairs[2 * changed - 1], pairs[2 * changed] = key, new end
    end
end
if #pairs > 0 then redis.call('MSET', unpack(pairs)) end
return changed
"""

_COMPARE = f"""{_ROWS.replace("COMMON", "string.rep('=', #keys)")}
local orders = {{}}
for i, new in ipairs(values) do
    local old = stored[i]
    if old == new then orders[i] = '='
    else orders[i] = (old and larger(old, new)) and '>' or '<' end
end
return table.concat(orders)
"""
ORDERS = {ord("="): 0, ord(">"): 1, ord("<"): -1}


class RedisOnlineStore(PackedStore):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._client: Any = redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)
        self._set, self._compare = map(self._client.register_script, (_GUARDED_SET, _COMPARE))
        self._address = url.rpartition("@")[2]  # never print the password

    def put(self, rows: Packed, ttl: int | None) -> int:
        # An event may lie a little ahead of this clock, and lives its ttl from then on.
        lifetime = b"" if ttl is None else b"%d" % ((ttl + AHEAD // MICROSECOND) // 1000 + 1)
        return sum(self._run(self._set, rows, lifetime))

    def compare(self, rows: Packed) -> list[int]:
        return [ORDERS[order] for orders in self._run(self._compare, rows) for order in orders]

    def _run(self, script: Any, rows: Packed, *further: bytes) -> list[Any]:
        """What the script answers for each batch."""
        with self._answering(), self._client.pipeline(transaction=False) as pipeline:
            for start in range(0, len(rows.keys), SCRIPT):
                part = slice(start, start + SCRIPT)
                times = zip(rows.events[part], rows.created[part], rows.payloads[part], strict=True)
                values = [b"%d%d" % (event - EARLIEST, created - EARLIEST) + payload for event, created, payload in times]
                lengths = [len(value) for value in values]
                script(args=[_pack((rows.keys[part], lengths)), b"".join(values), *further], client=pipeline)
            answers: list[Any] = pipeline.execute()
            return answers

    def get(self, keys: Sequence[str]) -> list[Stored | None]:
        return [None if value is None else _stored(value) for value in self._read(keys)]

    def fetch(self, keys: Sequence[str]) -> list[tuple[int, bytes] | None]:
        return [None if value is None else row_of(value) for value in self._read(keys)]

    def rows(self, loop: asyncio.AbstractEventLoop) -> Rows:
        from include.backends.redis_rows import RedisRows

        return RedisRows(self._url, loop)

    def _read(self, keys: Sequence[str]) -> list[bytes | None]:
        values: list[bytes | None] = []
        with self._answering():
            for start in range(0, len(keys), READ):
                values += self._client.mget(keys[start : start + READ])
        return values

    def size(self, prefix: str) -> int:
        pattern = "".join(f"[{character}]" if character in "*?[" else character for character in prefix)
        with self._answering():
            return sum(1 for _ in self._client.scan_iter(match=f"{pattern}*", count=1000))

    def expire(self, prefix: str) -> int:
        del prefix  # Redis removes them itself
        return 0

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise UnreachableError(
                f"The online store at {self._address} did not answer: {error}.",
                safe="what it holds; rows already written stay, and writing them again changes nothing.",
                hint="check SLIPSTREAM_ONLINE_URL and the server; the task is retried.",
            ) from error


def row_of(value: bytes) -> tuple[int, bytes]:
    """Event time and payload."""
    return int(value[:WIDTH]) + EARLIEST, value[2 * WIDTH :]


def _stored(value: bytes) -> Stored:
    return Stored(int(value[:WIDTH]) + EARLIEST, int(value[WIDTH : 2 * WIDTH]) + EARLIEST, value[2 * WIDTH :])
