"""An event log in this process' memory, written against the port alone; a real Redis and librdkafka's cluster for its vendors."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from include.core.errors import DataError
from include.core.partition import Partition
from include.core.spec import Column, Data, EventSource, Feature, Features, ModelSpec, Streams, Training, View
from include.event_log.port import Event, Listener, Place, Position, Standing

HERE = "tests.support.event_logs"
DAY = date(2024, 3, 5)
EPOCH = datetime.fromisoformat("1970-01-01")


@dataclass
class MemoryLog:
    """Topics of so many partitions, and what groups committed."""

    partitions: Mapping[str, int]
    places: dict[Place, list[Event]] = field(default_factory=dict)
    lows: dict[Place, int] = field(default_factory=dict)
    committed: dict[Place, Position] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for topic, count in self.partitions.items():
            self.places.update({(topic, number): [] for number in range(count)})

    def send(self, topic: str, value: Mapping[str, Any] | bytes, part: int = 0, stamp: int | None = None) -> Event:
        body = value if isinstance(value, bytes) else json.dumps(value, default=str).encode()
        place = self.places[topic, part]
        offset = place[-1].offset + 1 if place else self.lows.get((topic, part), 0)
        made = Event(topic, part, offset, 1_000_000 * (offset + 1) if stamp is None else stamp, None, body)
        place.append(made)
        return made

    def standing(self, place: Place) -> Standing:
        held = self.places[place]
        low = self.lows.get(place, 0)
        return Standing(self.committed.get(place), low, held[-1].offset + 1 if held else low)


class MemoryConsumer:
    """Conforms to `EventConsumer`; the test says which places are ours."""

    unit = 1

    def __init__(self, log: MemoryLog, places: Collection[Place] | None = None) -> None:
        self.log, self._places = log, list(log.places) if places is None else list(places)
        self._next: dict[Place, int] = {}
        self._listener: Listener | None = None
        self.refuse = False
        self.rests = 0

    def start(self, listener: Listener) -> None:
        self._listener = listener
        self.assign(self._places)

    def assign(self, places: Collection[Place]) -> None:
        assert self._listener is not None
        if gone := set(self._next) - set(places):
            self._listener.released(gone)
        self._next = dict(self._listener.assigned({place: self.log.standing(place) for place in places}))

    def poll(self, limit: int, seconds: float) -> Sequence[Event]:
        found: list[Event] = []
        for place, at in self._next.items():
            held = self.log.places[place]
            if at < self.log.lows.get(place, 0):
                raise DataError("out of range")
            for event in held:
                if event.offset >= at and len(found) < limit:
                    found.append(event)
                    self._next[place] = event.offset + 1
        return found

    def rest(self, seconds: float) -> None:
        self.rests += 1

    def commit(self, positions: Mapping[Place, Position]) -> bool:
        if self.refuse:
            return False
        self.log.committed.update(positions)
        return True

    def counts(self) -> Mapping[str, int]:
        return self.log.partitions

    def highs(self) -> Mapping[Place, int]:
        return {place: self.log.standing(place).high for place in self._next}

    def close(self) -> None:
        self._next = {}


# -- a card's payments: what a fraud score asks ------------------------------------------------------------------------------


def views(day: date | Partition) -> dict[str, str]:
    """How a card was used in the ten minutes up to each payment, and in each whole hour."""
    own = Partition.of(day)
    return {
        "card": f"""
            SELECT card, paid_at AS event_timestamp, count(*) OVER recent AS payments, sum(cents) OVER recent AS spent
            FROM (SELECT card, paid_at, max(cents) AS cents FROM payments GROUP BY card, paid_at)
            WINDOW recent AS (PARTITION BY card ORDER BY paid_at RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND CURRENT ROW)
            QUALIFY paid_at >= TIMESTAMP '{own.start}'
        """,
        "hours": f"""
            SELECT card, hour AS event_timestamp, count(*) AS hour_payments
            FROM (SELECT card, unnest([INTERVAL 1 HOUR, INTERVAL 2 HOUR]) + date_trunc('hour', paid_at) AS hour FROM payments)
            WHERE hour >= TIMESTAMP '{own.start}' AND hour < TIMESTAMP '{own.end}' GROUP BY card, hour
        """,
    }


def entities() -> str:
    return "SELECT id AS request_id, paid_at AS event_timestamp, card, cents::DOUBLE AS amount FROM payments"


def labels() -> str:
    return "SELECT id AS request_id, (cents > 900)::INT AS fraud, paid_at AS label_timestamp FROM payments"


EXPECTATIONS: dict[str, Any] = {}
PAYMENTS = EventSource(
    source="payments",
    topics=("payments",),
    columns=(
        Column(name="id", type="text"), Column(name="card", type="text"), Column(name="cents", type="int", required=True),
        Column(name="paid_at", type="time"),
    ),
    time="paid_at",
)  # fmt: skip
CARD = View(name="card", keys=("card",), features=(Feature(name="payments", dtype="int"), Feature(name="spent", dtype="int")))
HOURS = View(name="hours", keys=("card",), features=(Feature(name="hour_payments", dtype="int"),), pushed=True)


def card_spec(every: timedelta = timedelta(days=1), **streams: Any) -> ModelSpec:
    """`streams`: what differs from a stream by card, with events up to an hour late and a window of three hours."""
    given = {"sources": (PAYMENTS,), "key": "card", "late": timedelta(hours=1), "window": timedelta(hours=3), **streams}
    return ModelSpec(
        name="card_fraud",
        owner="payments",
        description="Is this payment a fraud?",
        label="fraud",
        data=Data(sources=("payments",), first=date(2024, 1, 1), lookback_days=1, every=every),
        features=Features(
            build=f"{HERE}:views",
            entities=f"{HERE}:entities",
            labels=f"{HERE}:labels",
            views=(CARD, HOURS),
            request=(Feature(name="amount"),),
        ),
        streams=Streams(**given),
        expectations=f"{HERE}:EXPECTATIONS",
        training=Training(fit=f"{HERE}:labels"),
    )


def payment(card: str, at: datetime, cents: int, name: str = "") -> dict[str, Any]:
    return {"id": name or f"{card}-{at.isoformat()}", "card": card, "cents": cents, "paid_at": at.isoformat() + "Z"}


def newest_of_batch(
    spec: ModelSpec, events: Sequence[Mapping[str, Any]], view: View, watermark: datetime
) -> dict[str, dict[str, Any]]:
    """What the days' own SQL gives for these events: the newest row of each key up to a moment, with its event time."""
    import duckdb
    import pyarrow as pa

    from include.core.reference import load

    times = [datetime.fromisoformat(each["paid_at"].rstrip("Z")) for each in events]
    found: dict[str, dict[str, Any]] = {}
    with duckdb.connect() as connection:
        columns = {"id": [e["id"] for e in events], "card": [e["card"] for e in events], "cents": [e["cents"] for e in events]}
        connection.register("everything", pa.table({**columns, "paid_at": pa.array(times, pa.timestamp("us"))}))
        for own in spec.data.cadence.touching(min(times), watermark + timedelta(seconds=1)):
            first = spec.data.lookback(own)[0].start
            connection.execute(
                f"CREATE OR REPLACE TABLE payments AS FROM everything WHERE paid_at >= TIMESTAMP '{first}' "
                f"AND paid_at < TIMESTAMP '{own.end}'"
            )
            sql = load(spec.features.build)(own.given)[view.name]
            for row in connection.sql(sql).to_arrow_table().to_pylist():
                if row["event_timestamp"] <= watermark:
                    before = found.get(row["card"])
                    if before is None or row["event_timestamp"] > before["event_timestamp"]:
                        found[row["card"]] = row
    return found


def in_batches(events: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(events), size):
        yield events[start : start + size]


class MemoryAnswers:
    """Conforms to `AnswerWriter`: answers and positions in one step, or, with `torn`, answers first."""

    def __init__(self, consumer: MemoryConsumer, topic: str = "answers") -> None:
        self._consumer, self._topic = consumer, topic
        self.torn = False

    def start(self) -> None:
        """Nobody else writes."""

    def answered(self, place: Place, position: Position | None) -> Collection[int]:
        log = self._consumer.log
        since = position.next if position else 0
        told = [json.loads(event.key or b"[]") for event in log.places[self._topic, 0]]
        return [offset for topic, part, offset in told if (topic, part) == place and offset >= since]

    def write(self, answers: Sequence[Any], positions: Mapping[Place, Position]) -> bool:
        log = self._consumer.log
        if self._consumer.refuse:
            return False
        for each in answers:
            name = json.dumps([each.event.topic, each.event.partition, each.event.offset]).encode()
            sent = log.send(self._topic, each.value)
            log.places[self._topic, 0][-1] = sent._replace(key=name)
        if self.torn:
            raise KeyboardInterrupt
        return self._consumer.commit(positions)

    def close(self) -> None:
        """Nothing is on its way."""


# -- real ones ---------------------------------------------------------------------------------------------------------------


class RedisLog:
    """A Redis as an event log, in a process of its own."""

    def __init__(self, url: str) -> None:
        import redis

        self.url, self._client = url, redis.Redis.from_url(url)

    def send(self, topic: str, value: bytes, key: str = "") -> None:
        self._client.xadd(topic, {"event": value, "key": key})

    def flush(self) -> None:
        """Nothing is on its way."""

    def make(self, *topics: str) -> None:
        for topic in topics:
            self._client.xadd(topic, {"event": b""})
            self._client.xtrim(topic, maxlen=0)

    def read(self, topic: str) -> list[bytes]:
        entries: Any = self._client.xrange(topic)
        return [fields[b"event"] for _, fields in entries]

    def remove(self, topic: str) -> None:
        self._client.delete(topic)


class KafkaLog:
    """librdkafka's cluster, in this process, or at an address that another process has it at. Topics have four partitions."""

    def __init__(self, address: str = "") -> None:
        from confluent_kafka import Producer

        quiet = {"log_level": 0}
        self._cluster = None if address else Producer({"bootstrap.servers": "x", "test.mock.num.brokers": 1, **quiet})
        if self._cluster is not None:
            brokers = self._cluster.list_topics(timeout=10).brokers.values()
            address = ",".join(f"{each.host}:{each.port}" for each in brokers)
        self.address, self.url = address, f"kafka://{address}"
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 2, **quiet})

    def make(self, *topics: str) -> None:
        for topic in topics:
            self._producer.list_topics(topic, timeout=10)

    def send(self, topic: str, value: bytes, key: str = "") -> None:
        while True:
            try:
                self._producer.produce(topic, value, key)
                return
            except BufferError:
                self._producer.poll(0.1)

    def flush(self) -> None:
        self._producer.flush(30)

    def read(self, topic: str) -> list[bytes]:
        from confluent_kafka import Consumer, TopicPartition

        reader = Consumer({"bootstrap.servers": self.address, "group.id": "look", "enable.partition.eof": True, "log_level": 0})
        reader.assign([TopicPartition(topic, part, 0) for part in range(4)])
        found: list[bytes] = []
        ended = 0
        while ended < 4:
            for message in reader.consume(1000, 0.5):
                if message.error() is None:
                    found.append(message.value() or b"")
                else:
                    ended += 1
        reader.close()
        return found
