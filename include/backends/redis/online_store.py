"""The online store in Redis: a string a row, guarded by a script that Redis runs atomically.

A value is its event time, its creation time (17 digits each) and the payload. Needs Redis 6.2 or later; one server, or
a primary with replicas (the script takes many keys at once, which a Redis Cluster would refuse).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import msgspec
import redis

from include.backends.redis.address import check, words_of
from include.backends.redis.wire import array, command, parse_array, strings
from include.core.address import shown
from include.core.errors import UnreachableError
from include.online_store.row_codec import AHEAD, EARLIEST, MICROSECOND, Packed, Row
from include.online_store.store import Exchange, PackedStore, Rows, Stored

WIDTH = 17  # digits of a time: microseconds since 1653, so that text sorts as time does
SCRIPT = 500  # rows a script call: Redis serves nobody else meanwhile
READ = 1000  # keys an MGET
LOOK = 20_000  # keys that a look goes through: some 5 ms of Redis' time
FEW = 10  # rows that need no way of their own
RECEIVE = 1 << 20  # bytes
READ_ONLY = "READONLY"  # a replica's refusal
ADDED = b":1\r\n"  # MSETNX's answer; it refuses in as many bytes
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
if whole and table.concat(stored) == ARGV[2] then return 0 end
"""
_VALUES = """
for i, length in ipairs(rows[2]) do
    values[i] = ARGV[2]:sub(start, start + length - 1)
    start = start + length
end
"""

_GUARDED_SET = f"""{_ROWS}{_VALUES}
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

_COMPARE = f"""{_ROWS.partition("local whole")[0]}{_VALUES}
local orders = {{}}
for i, new in ipairs(values) do
    local old = stored[i]
    if old == new then
        orders[i] = '='
        if ARGV[3] ~= '' then redis.call('PEXPIRE', keys[i], ARGV[3]) end
    else orders[i] = (old and larger(old, new)) and '>' or '<' end
end
return table.concat(orders)
"""
ORDERS = {ord("="): 0, ord(">"): 1, ord("<"): -1}


class RedisOnlineStore(PackedStore):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        options = check(url)
        authorities = {name: options[name] for name in ("ssl_ca_certs",) if name in options}
        # What is read here by hand is in RESP2.
        self._client: Any = redis.Redis.from_url(url, protocol=2, socket_timeout=10, socket_connect_timeout=5, **authorities)
        self._set, self._compare = map(self._client.register_script, (_GUARDED_SET, _COMPARE))
        self._address = shown(url)

    def put(self, rows: Packed, ttl: int | None) -> int:
        return self._guarded(rows.keys, _values(rows), _starts(rows.keys), ttl)

    def exchange(self, rows: Packed, ttl: int | None) -> Exchange:
        """New rows go in by MSETNX (all of a batch or none, in one step, for a third of what the script costs Redis).

        All is sent before the first answer is read: Redis and we work side by side. Reading back sets the time to live; a
        SET with an expiry would cost twice what all rows cost without.
        """
        values = _values(rows)
        with self._answering(), self._connection() as connection:
            first, *others = [slice(start, start + SCRIPT) for start in _starts(rows.keys)] or [slice(0)]
            added = len(rows.keys[first]) if self._adds(connection, rows.keys[first], values[first]) else 0
            tried = others if added else []  # the first says whether the others are worth trying
            changed = added or self._guarded(rows.keys, values, _starts(rows.keys), None)
            sent = [_msetnx(rows.keys[each], values[each]) for each in tried]
            connection.send_packed_command([*sent, _read_back(rows.keys, ttl)])
            wanted = strings(values)
            yield
            answers = _received(connection._sock, len(ADDED) * len(sent))
            each_added = [answers[at : at + len(ADDED)] == ADDED for at in range(0, len(answers), len(ADDED))]
            changed += sum(len(rows.keys[each]) for each, done in zip(tried, each_added, strict=True) if done)
            if all(each_added) and _receives(connection._sock, wanted):
                return changed, [0] * len(rows.keys)
            connection.disconnect()  # what else it would say is of no use
        left = [each.start for each, done in zip(tried, each_added, strict=True) if not done]
        changed += self._guarded(rows.keys, values, left, None)
        return changed, self.compare(rows, ttl)

    def _adds(self, connection: Any, keys: Sequence[str], values: Sequence[bytes]) -> bool:
        """Whether none of the keys was there; then all are."""
        if len(keys) <= FEW:
            return False
        connection.send_packed_command([_msetnx(keys, values)])
        return bool(connection.read_response())

    def _guarded(self, keys: Sequence[str], values: Sequence[bytes], starts: Iterable[int], ttl: int | None) -> int:
        return int(sum(self._run(self._set, keys, values, starts, _lifetime(ttl))))

    def compare(self, rows: Packed, ttl: int | None = None) -> list[int]:
        answers = self._run(self._compare, rows.keys, _values(rows), _starts(rows.keys), _lifetime(ttl))
        return [ORDERS[order] for orders in answers for order in orders]

    def _run(
        self, script: Any, keys: Sequence[str], values: Sequence[bytes], starts: Iterable[int], lifetime: bytes
    ) -> list[Any]:
        """What the script answers for each batch."""
        with self._answering(), self._client.pipeline(transaction=False) as pipeline:
            for start in starts:
                part = slice(start, start + SCRIPT)
                lengths = [len(value) for value in values[part]]
                script(args=[_pack((keys[part], lengths)), b"".join(values[part]), lifetime], client=pipeline)
            answers: list[Any] = pipeline.execute()
            return answers

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """One of the client's, for commands in Redis' own form. After an error nobody gets it with answers left in it."""
        connection = self._client.connection_pool.get_connection()
        try:
            yield connection
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self._client.connection_pool.release(connection)

    def get(self, keys: Sequence[str]) -> list[Stored | None]:
        return [None if value is None else _stored(value) for value in self._read(keys)]

    def fetch(self, keys: Sequence[str]) -> list[Row | None]:
        return [None if value is None else row_of(value) for value in self._read(keys)]

    def rows(self, loop: asyncio.AbstractEventLoop) -> Rows:
        from include.backends.redis.rows import RedisRows

        return RedisRows(self._url, loop)

    def _read(self, keys: Sequence[str]) -> list[bytes | None]:
        values: list[bytes | None] = []
        with self._answering(), self._connection() as connection:
            for start in range(0, len(keys), READ):
                connection.send_packed_command([command("MGET", *keys[start : start + READ])])
                values += _received_array(connection._sock)
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


def _lifetime(ttl: int | None) -> bytes:
    """Milliseconds, empty for ever. An event may lie a little ahead of this clock, and lives its ttl from then on."""
    return b"" if ttl is None else b"%d" % ((ttl + AHEAD // MICROSECOND) // 1000 + 1)


def _pattern(prefix: str) -> str:
    """Of the keys that start with it."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in prefix) + "*"


def _starts(keys: Sequence[str]) -> range:
    """Of the batches of some rows."""
    return range(0, len(keys), SCRIPT)


def _read_back(keys: Sequence[str], ttl: int | None) -> bytes:
    """Commands that answer with the values, and give them their time to live."""
    verb, ending = (b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n", b"")
    if ttl is not None:
        lifetime = _lifetime(ttl)
        verb, ending = b"*4\r\n$5\r\nGETEX\r\n$%d\r\n%b\r\n", b"$2\r\nPX\r\n$%d\r\n%b\r\n" % (len(lifetime), lifetime)
    return ending.join([verb % (len(key), key) for key in map(str.encode, keys)]) + (ending if keys else b"")


def _msetnx(keys: Sequence[str], values: Sequence[bytes]) -> bytes:
    pairs = zip([key.encode() for key in keys], values, strict=True)
    return array([b"MSETNX", *chain.from_iterable(pairs)])


def _values(rows: Packed) -> list[bytes]:
    texts = {time: b"%017d" % (time - EARLIEST) for time in {*rows.events, *rows.created}}  # many rows share few times
    times = zip(rows.events, rows.created, rows.payloads, strict=True)
    return [texts[event] + texts[created] + payload for event, created, payload in times]


def _receives(stream: Any, wanted: bytes) -> bool:
    """Whether these bytes come. Stops at the first that differs; compared as they come, since parsing would take longer."""
    view, place = memoryview(wanted), 0
    while place < len(wanted):
        data = _some(stream, len(wanted) - place)
        if view[place : place + len(data)] != data:
            return False
        place += len(data)
    return True


def _received(stream: Any, count: int) -> bytes:
    """So many bytes."""
    data = b""
    while len(data) < count:
        data += _some(stream, count - len(data))
    return data


def _some(stream: Any, most: int) -> bytes:
    data: bytes = stream.recv(min(RECEIVE, most))
    if not data:
        raise ConnectionError("it closed the connection")
    return data


def _received_array(stream: Any) -> list[bytes | None]:
    """The strings of one answer. Raises ResponseError for an error reply."""
    data = b""
    while True:
        data += _some(stream, RECEIVE)
        if data.endswith(b"\r\n"):
            try:
                values = parse_array(data)
            except ValueError as error:
                raise redis.ResponseError(str(error)) from error
            if values is not None:
                return values


def row_of(value: bytes) -> Row:
    """Event time and payload."""
    return int(value[:WIDTH]) + EARLIEST, value[2 * WIDTH :]


def _stored(value: bytes) -> Stored:
    return Stored(int(value[:WIDTH]) + EARLIEST, int(value[WIDTH : 2 * WIDTH]) + EARLIEST, value[2 * WIDTH :])
