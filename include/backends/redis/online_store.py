"""The online store in Redis: a string a row, guarded by a script that Redis runs atomically.

Commands with many rows go over redis-py's connections as they are, packed here. Needs Redis 6.2 or later; one server, or a
primary with replicas (the script takes many keys at once, which a Redis Cluster would refuse).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import msgspec
import redis

from include.backends.redis.address import AUTHORITIES, check, words_of
from include.backends.redis.command import command
from include.backends.redis.persistence import files_anew
from include.backends.redis.rows import RedisRows
from include.backends.redis.scripts import COMPARE, EXPIRE, GUARDED_SET, ORDERS
from include.backends.redis.value import row_of, stored_of, values_of
from include.core.address import shown
from include.core.errors import UnreachableError
from include.core.time import MICROSECOND
from include.online_store.layout import AHEAD
from include.online_store.packed_store import Exchange, PackedStore, Stored
from include.online_store.row_codec import Packed
from include.online_store.store import Row, RowFetcher

SCRIPT = 500  # rows a script call: Redis serves nobody else meanwhile
READ = 1000  # keys an MGET
LOOK = 20_000  # keys that a look goes through: some 5 ms of Redis' time
FEW = 10  # rows that need no way of their own
READ_ONLY = "READONLY"  # a replica's refusal
_pack = msgspec.msgpack.Encoder().encode
Arguments = tuple[bytes, bytes, bytes]  # of a script


class RedisOnlineStore(PackedStore):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        options = check(url)
        authorities = {name: options[name] for name in AUTHORITIES if name in options}
        # In RESP2, as the gateway's own connections (include/backends/redis/rows.py).
        self._client: Any = redis.Redis.from_url(url, protocol=2, socket_timeout=10, socket_connect_timeout=5, **authorities)
        self._set, self._compare = map(self._client.register_script, (GUARDED_SET, COMPARE))
        self._address = shown(url)

    def put(self, rows: Packed, ttl: int | None) -> int:
        return self._guarded(rows.keys, values_of(rows), _starts(rows.keys), ttl)

    def exchange(self, rows: Packed, ttl: int | None) -> Exchange:
        """New rows go in by MSETNX (all of a batch or none, in one step, for a third of what the script costs Redis).

        All is sent before the first answer is read: Redis and we work side by side. Reading back sets the time to live; a
        SET with an expiry would cost twice what all rows cost without.
        """
        keys, values = rows.keys, values_of(rows)
        with self._answering(), self._connection() as connection:
            first, *others = [slice(start, start + SCRIPT) for start in _starts(keys)] or [slice(0)]
            added = len(keys[first]) if self._adds(connection, keys[first], values[first]) else 0
            tried = others if added else []  # the first says whether the others are worth trying
            changed = added or self._guarded(keys, values, _starts(keys), None)
            sent = [_added(keys[batch], values[batch]) for batch in tried]
            asked = list(_read_back(keys, ttl))
            connection.send_packed_command([*sent, *asked])
            yield
            were_added = [bool(connection.read_response()) for _ in sent]
            found = [value for _ in asked for value in connection.read_response() or ()]
        changed += sum(len(keys[batch]) for batch, done in zip(tried, were_added, strict=True) if done)
        if all(were_added) and found == values:
            return changed, [0] * len(keys)
        left = [batch.start for batch, done in zip(tried, were_added, strict=True) if not done]
        changed += self._guarded(keys, values, left, None)
        return changed, self.compare(rows, ttl)

    def _adds(self, connection: Any, keys: Sequence[str], values: Sequence[bytes]) -> bool:
        """Whether none of the keys was there; then all are."""
        if len(keys) <= FEW:
            return False
        connection.send_packed_command([_added(keys, values)])
        return bool(connection.read_response())

    def _guarded(self, keys: Sequence[str], values: Sequence[bytes], starts: Iterable[int], ttl: int | None) -> int:
        return int(sum(self._run(self._set, _batches(keys, values, starts, ttl))))

    def compare(self, rows: Packed, ttl: int | None = None) -> list[int]:
        return _orders(self._run(self._compare, _batches(rows.keys, values_of(rows), _starts(rows.keys), ttl)))

    def _run(self, script: Any, batches: Iterable[Arguments]) -> list[Any]:
        """What the script answers for each batch."""
        with self._answering(), self._client.pipeline(transaction=False) as pipeline:
            for arguments in batches:
                script(args=arguments, client=pipeline)
            answers: list[Any] = pipeline.execute()
            return answers

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """One of the client's, for commands that are packed here. After an error nobody gets it with answers left in it."""
        connection = self._client.connection_pool.get_connection()
        try:
            yield connection
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self._client.connection_pool.release(connection)

    def get(self, keys: Sequence[str]) -> list[Stored | None]:
        return [None if value is None else stored_of(value) for value in self._read(keys)]

    def fetch(self, keys: Sequence[str]) -> list[Row | None]:
        return [None if value is None else row_of(value) for value in self._read(keys)]

    def rows(self, loop: asyncio.AbstractEventLoop) -> RowFetcher:
        return RedisRows(self._url, loop)

    def _read(self, keys: Sequence[str]) -> list[bytes | None]:
        values: list[bytes | None] = []
        with self._answering(), self._connection() as connection:
            for start in range(0, len(keys), READ):
                connection.send_packed_command([command("MGET", *keys[start : start + READ])])
                values += connection.read_response()
        return values

    def size(self, prefix: str) -> int:
        with self._answering():
            return sum(1 for _ in self._client.scan_iter(match=_pattern(prefix), count=1000))

    def has(self, prefix: str) -> bool:
        """Looks at LOOK keys or so: a key of a small store is found or is not there; of a large one, most views' are."""
        cursor = 0
        with self._answering():
            for _ in range(LOOK // 1000):
                cursor, found = self._client.scan(cursor, match=_pattern(prefix), count=1000)
                if found or not cursor:
                    return bool(found)
        return True

    def expire(self, prefix: str) -> int:
        del prefix  # Redis removes them itself
        return 0

    def walk(self, prefix: str) -> Iterator[str]:
        with self._answering():
            yield from (key.decode() for key in self._client.scan_iter(match=_pattern(prefix), count=1000))

    def drop(self, keys: Sequence[str]) -> int:
        with self._answering():
            return sum(int(self._client.unlink(*keys[start : start + READ])) for start in range(0, len(keys), READ))

    def purge(self) -> list[str]:
        with self._answering():
            return files_anew(self._client, self._address)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OSError) as error:
            if isinstance(error, redis.ResponseError) and READ_ONLY in str(error):
                # After a failover the address leads to another server; who is still connected holds on to the old one.
                # Those in other threads' hands are left to find it out themselves: an answer may be on its way to them.
                self._client.connection_pool.disconnect(inuse_connections=False)
            raise UnreachableError(
                f"The online store at {self._address} did not answer: {words_of(error, self._url)}.",
                safe="what it holds; rows already written stay, and writing them again changes nothing.",
                hint="check SLIPSTREAM_ONLINE_URL and the server; the task is retried.",
            ) from error


def _batches(keys: Sequence[str], values: Sequence[bytes], starts: Iterable[int], ttl: int | None) -> Iterator[Arguments]:
    """A script's arguments for each batch of some rows (include/backends/redis/scripts.py)."""
    lifetime = _lifetime(ttl)
    for start in starts:
        part = slice(start, start + SCRIPT)
        yield _pack((keys[part], [len(value) for value in values[part]])), b"".join(values[part]), lifetime


def _orders(answers: Iterable[bytes]) -> list[int]:
    return [ORDERS[order] for orders in answers for order in orders]


def _read_back(keys: Sequence[str], ttl: int | None) -> Iterator[bytes]:
    """Commands that answer with the values, or with nothing and give the keys their time to live."""
    for start in range(0, len(keys), READ):
        yield command("MGET", *keys[start : start + READ])
    if ttl is not None:
        for start in _starts(keys):
            yield command("EVAL", EXPIRE, 0, _lifetime(ttl), _pack(keys[start : start + SCRIPT]))


def _added(keys: Sequence[str], values: Sequence[bytes]) -> bytes:
    """The command that stores all of these rows if none of their keys is there."""
    pairs: Iterator[str | bytes] = chain.from_iterable(zip(keys, values, strict=True))
    return command("MSETNX", *pairs)


def _lifetime(ttl: int | None) -> bytes:
    """Milliseconds, empty for ever. An event may lie a little ahead of this clock, and lives its ttl from then on."""
    return b"" if ttl is None else b"%d" % ((ttl + AHEAD // MICROSECOND) // 1000 + 1)


def _pattern(prefix: str) -> str:
    """Of the keys that start with it."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in prefix) + "*"


def _starts(keys: Sequence[str]) -> range:
    """Of the batches of some rows."""
    return range(0, len(keys), SCRIPT)
