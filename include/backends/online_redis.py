"""The online store in Redis: a string a row, guarded by a script that Redis runs atomically.

A value is its event time, its creation time (17 digits each) and the payload. Needs Redis 2.6 or later; one server, or
a primary with replicas (the script takes many keys at once, which a Redis Cluster would refuse).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from include.core.errors import UnreachableError
from include.features.online import PackedStore, Stored
from include.features.packed import AHEAD, EARLIEST, MICROSECOND, Packed

WIDTH = 17  # digits of a time: microseconds since 1653, so that text sorts as time does
SCRIPT = 500  # rows a script call: Redis serves nobody else meanwhile
READ = 1000  # keys an MGET

_GUARDED_SET = """
local function larger(a, b)  -- byte by byte: Lua's own comparison asks the locale
    for i = 1, math.min(#a, #b) do
        local x, y = a:byte(i), b:byte(i)
        if x ~= y then return x > y end
    end
    return #a > #b
end
local lifetime, changed = ARGV[1], 0
for i, key in ipairs(KEYS) do
    local new, old = ARGV[i + 1], redis.call('GETRANGE', key, 0, 33)
    local times = new:sub(1, 34)
    if times > old or (times == old and larger(new, redis.call('GET', key))) then
        if lifetime == '' then redis.call('SET', key, new) else redis.call('SET', key, new, 'PX', lifetime) end
        changed = changed + 1
    end
end
return changed
"""


class RedisOnlineStore(PackedStore):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._client: Any = redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)
        self._script = self._client.register_script(_GUARDED_SET)
        self._address = url.rpartition("@")[2]  # never print the password

    def put(self, rows: Packed, ttl: int | None) -> int:
        # An event may lie a little ahead of this clock, and lives its ttl from then on.
        lifetime = b"" if ttl is None else b"%d" % ((ttl + AHEAD // MICROSECOND) // 1000 + 1)
        head = b"%d%d"
        with self._answering(), self._client.pipeline(transaction=False) as pipeline:
            for start in range(0, len(rows.keys), SCRIPT):
                part = slice(start, start + SCRIPT)
                times = zip(rows.events[part], rows.created[part], rows.payloads[part], strict=True)
                values = [head % (event - EARLIEST, created - EARLIEST) + payload for event, created, payload in times]
                self._script(keys=rows.keys[part], args=[lifetime, *values], client=pipeline)
            return sum(pipeline.execute())

    def get(self, keys: Sequence[str]) -> list[Stored | None]:
        values: list[bytes | None] = []
        with self._answering():
            for start in range(0, len(keys), READ):
                values += self._client.mget(keys[start : start + READ])
        return [None if value is None else _stored(value) for value in values]

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


def _stored(value: bytes) -> Stored:
    return Stored(int(value[:WIDTH]) + EARLIEST, int(value[WIDTH : 2 * WIDTH]) + EARLIEST, value[2 * WIDTH :])
