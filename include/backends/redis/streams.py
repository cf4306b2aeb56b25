"""Streams of Redis as an event log: one reader at a time holds the lease of a group, others stand by and take over.

    slipstream:stream:{group}:lease       the token of whoever reads; gone some seconds after it ends
    slipstream:stream:{group}:positions   by stream: how far it was read, and what still counts

An entry holds its event as JSON in the field `event`; with `key`, a name of its own. Its offset is its id as one number: the
milliseconds, then a million or so for the sequence. Redis' own consumer groups hand events out one by one, to whoever asks: two
events of one card to two readers, so that neither knew them both. So positions are ours.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from include.backends.redis.address import AUTHORITIES, check, words_of
from include.core import fault
from include.core.address import shown
from include.core.connection import Connection
from include.core.errors import DataError, NotReadyError, UnreachableError
from include.event_log.port import Answer, Event, Listener, Place, Position, Standing
from include.serving.recurring import Recurring

log = logging.getLogger(__name__)
SEQUENCE = 20  # bits of an offset that say an entry's sequence within its millisecond
LEASE = 30_000  # milliseconds
BEAT = 3.0  # seconds between two renewals, however long a batch takes
LOOKED = 2.0  # seconds between two looks at the streams' ends

# Keeps positions, and writes answers, if the lease is ours: all in one step.
COMMIT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local at = 3
for _ = 1, tonumber(ARGV[at]) do
    redis.call('HSET', KEYS[2], ARGV[at + 1], ARGV[at + 2])
    at = at + 2
end
at = at + 1
for _ = 1, tonumber(ARGV[at]) do
    redis.call('XADD', KEYS[3], '*', 'of', ARGV[at + 1], 'key', ARGV[at + 2], 'event', ARGV[at + 3])
    at = at + 3
end
return 1
"""
RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisConsumer:
    def __init__(self, url: str, group: str, topics: Sequence[str]) -> None:
        options = check(url)
        authorities = {name: options[name] for name in AUTHORITIES if name in options}
        self._client: Any = redis.Redis.from_url(url, protocol=2, socket_timeout=10, socket_connect_timeout=5, **authorities)
        self._url, self._topics = url, tuple(topics)
        self.unit = 1 << SEQUENCE
        self._lease, self._positions = (f"slipstream:stream:{group}:{name}" for name in ("lease", "positions"))
        self._token = uuid.uuid4().hex
        self._commit, self._renew, self._release = map(self._client.register_script, (COMMIT, RENEW, RELEASE))
        self._listener: Listener | None = None
        self._next: dict[str, int] = {}
        self._highs: dict[Place, int] = {}
        self._looked = 0.0
        self._beat: Recurring | None = None
        self._lost = False

    def start(self, listener: Listener) -> None:
        self._listener = listener
        with self._answering():
            for topic in self._topics:
                self._look(topic)
        self._take_over()
        self._beat = Recurring(f"lease-{self._lease}", self._keep, BEAT)
        self._beat.start()

    def poll(self, limit: int, seconds: float) -> Sequence[Event]:
        with self._answering():
            if not self._held():
                time.sleep(seconds)
                return []
            streams = {topic: id_of(at - 1) for topic, at in self._next.items()}
            found = self._client.xread(streams, count=max(1, limit // len(streams)), block=max(1, round(seconds * 1000)))
        events = []
        for name, entries in found or ():
            topic = name.decode()
            for entry, fields in entries:
                offset = offset_of(entry)
                stamp = (offset >> SEQUENCE) * 1000 + min(offset & ((1 << SEQUENCE) - 1), 999)
                events.append(Event(topic, 0, offset, stamp, fields.get(b"key"), fields.get(b"event", b"")))
            self._next[topic] = events[-1].offset + 1
        return events

    def rest(self, seconds: float) -> None:
        time.sleep(seconds)
        try:
            with self._answering():
                if self._next:
                    self._held()
        except UnreachableError as error:
            log.warning("%s", error)

    def commit(self, positions: Mapping[Place, Position]) -> bool:
        return self.write((), positions, "")

    def write(self, answers: Sequence[Answer], positions: Mapping[Place, Position], topic: str) -> bool:
        """Positions and answers in one step of Redis."""
        placed = [(place[0], f"{at.next} {at.to_text()}") for place, at in positions.items()]
        told = [(f"{a.event.topic}/{a.event.partition}/{a.event.offset}", a.key or b"", a.value) for a in answers]
        words = [
            self._token,
            LEASE,
            len(placed),
            *(w for pair in placed for w in pair),
            len(told),
            *(w for each in told for w in each),
        ]
        with self._answering():
            return bool(self._commit(keys=[self._lease, self._positions, topic or self._lease], args=words))

    def counts(self) -> Mapping[str, int]:
        return dict.fromkeys(self._topics, 1)

    def highs(self) -> Mapping[Place, int]:
        return self._highs if self._next else {}

    def close(self) -> None:
        self._next = {}
        if self._beat is not None:
            self._beat.stop()
        try:
            self._release(keys=[self._lease], args=[self._token])
        except (redis.RedisError, OSError):
            log.warning("the lease %s was not given back; it ends by itself", self._lease)

    # -- the lease -----------------------------------------------------------------------------------------------------------

    def _held(self) -> bool:
        """Whether we read; taken over where nobody does."""
        now = time.monotonic()
        if not self._next:
            return self._take_over()
        if self._lost:
            assert self._listener is not None
            self._listener.lost([(topic, 0) for topic in self._next])
            self._next = {}
            return False
        if now - self._looked >= LOOKED:
            for topic in self._topics:
                self._look(topic)
            self._looked = now
        return True

    def _keep(self) -> None:
        """In a thread of its own: a process that is stopped renews nothing, one that computes for long does."""
        try:
            if self._next and not self._renew(keys=[self._lease], args=[self._token, LEASE]):
                self._lost = True
        except (redis.RedisError, OSError) as error:
            log.warning("the lease %s was not renewed: %s", self._lease, words_of(error, self._url))

    def _take_over(self) -> bool:
        assert self._listener is not None
        with self._answering():
            if not self._client.set(self._lease, self._token, nx=True, px=LEASE):
                return False
            self._looked, self._lost = time.monotonic(), False
            found = {(topic, 0): self._standing(topic) for topic in self._topics}
        starts = self._listener.assigned(found)
        self._next = {topic: at for (topic, _), at in starts.items()}
        return bool(self._next)

    def _standing(self, topic: str) -> Standing:
        first, high = self._look(topic)
        text = self._client.hget(self._positions, topic)
        if text is None:
            return Standing(None, first, high)
        at, _, rest = text.decode().partition(" ")
        position = Position.from_text(rest, int(at))
        # Ids have gaps: that the first entry's is above the floor says nothing while the entry of the floor, or the one that was
        # read last, is there.
        known = position.floor if position.floor < position.next else position.next - 1
        there = bool(self._client.xrange(topic, id_of(known), id_of(known), count=1))
        return Standing(position, min(first, position.floor) if there or position.next == high else first, high)

    def _look(self, topic: str) -> tuple[int, int]:
        """The first offset of a stream, and the one after its last. Raises NotReadyError and DataError."""
        try:
            info = self._client.xinfo_stream(topic)
        except redis.ResponseError as error:
            raise NotReadyError(
                f"There is no stream {topic!r} at {shown(self._url)}: {words_of(error, self._url)}.",
                safe="nothing was read; what is online stays.",
                hint="send a first event to it, or name another in streams.sources.",
            ) from error
        high = offset_of(info["last-generated-id"]) + 1
        if high < self._next.get(topic, 0):
            raise DataError(
                f"The stream {topic!r} was made anew: it ends at {info['last-generated-id'].decode()}, which was read long ago.",
                seen=f"next {id_of(self._next[topic])}",
                safe="what was read before is committed; what is online stays.",
                hint="start the stream again with --from-start.",
            )
        self._highs[topic, 0] = high
        entry = info["first-entry"]
        return (offset_of(entry[0]) if entry else high), high

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OSError) as error:
            raise UnreachableError(
                f"Redis at {shown(self._url)} did not answer: {words_of(error, self._url)}.",
                safe="what was not committed is read again.",
                hint="check SLIPSTREAM_STREAM_URL and the server.",
            ) from error


class RedisAnswers:
    """Answers into a stream, with the positions of what they answer in the same step."""

    def __init__(self, consumer: RedisConsumer, topic: str) -> None:
        self._consumer, self._topic = consumer, topic

    def start(self) -> None:
        """The lease says who writes."""

    def answered(self, place: Place, position: Position | None) -> Collection[int]:
        del place, position  # an answer and its position are there together, or neither
        return ()

    def write(self, answers: Sequence[Answer], positions: Mapping[Place, Position]) -> bool:
        fault.point("stream.answered")
        done = self._consumer.write(answers, positions, self._topic)
        fault.point("stream.answers.committed")
        return done

    def close(self) -> None:
        """Nothing is on its way."""


def open_events(url: str, connection: Connection | None, group: str, topics: Sequence[str]) -> RedisConsumer:
    del connection  # the login is in the address, as the online store's
    return RedisConsumer(url, group, topics)


def open_answers(
    url: str, connection: Connection | None, consumer: RedisConsumer, group: str, member: str, topic: str
) -> RedisAnswers:
    del url, connection, group, member
    return RedisAnswers(consumer, topic)


def offset_of(entry: bytes) -> int:
    """An entry's id as one number."""
    milliseconds, _, sequence = entry.decode().partition("-")
    number = int(sequence)
    if number >= 1 << SEQUENCE:
        raise DataError(
            f"The id {entry.decode()} has a sequence above {1 << SEQUENCE}.", hint="let Redis make the ids: XADD ... *"
        )
    return (int(milliseconds) << SEQUENCE) + number


def id_of(offset: int) -> str:
    return f"{max(offset, 0) >> SEQUENCE}-{max(offset, 0) & ((1 << SEQUENCE) - 1)}"
