"""The online store in Redis: a string a row, guarded by a script that Redis runs atomically."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from include.core.errors import UnreachableError
from include.features.online import Packed, PackedStore, Stored

WIDTH = 17  # digits of a time in microseconds, before the payload: event, then created
BATCH = 500  # rows a script call: Redis serves nobody else meanwhile

# Numbers of 16 digits are exact in Lua's doubles.
_GUARDED_SET = """
local changed = 0
for i, key in ipairs(KEYS) do
    local new, old = ARGV[i], redis.call('GETRANGE', key, 0, 33)
    local event, created = tonumber(new:sub(1, 17)), tonumber(new:sub(18, 34))
    local old_event, old_created = tonumber(old:sub(1, 17)), tonumber(old:sub(18, 34))
    if old == '' or event > old_event or (event == old_event and created > old_created) then
        redis.call('SET', key, new)
        changed = changed + 1
    end
end
return changed
"""


class RedisOnlineStore(PackedStore):
    def __init__(self, url: str) -> None:
        self._client: Any = redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)
        self._put = self._client.register_script(_GUARDED_SET)
        self._address = url.rpartition("@")[2]  # never print the password

    def put(self, rows: Sequence[Packed]) -> int:
        changed = 0
        with self._answering():
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                values = [b"%0*d%0*d" % (WIDTH, row.event, WIDTH, row.created) + row.payload for row in some]
                changed += int(self._put(keys=[row.key for row in some], args=values))
        return changed

    def get(self, keys: Sequence[str]) -> list[Stored | None]:
        if not keys:
            return []
        with self._answering():
            values = self._client.mget(keys)
        return [Stored(int(value[:WIDTH]), value[2 * WIDTH :]) if value else None for value in values]

    def size(self, prefix: str) -> int:
        with self._answering():
            return sum(1 for _ in self._client.scan_iter(match=f"{prefix}*", count=1000))

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
