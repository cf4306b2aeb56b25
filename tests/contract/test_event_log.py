"""The port of an event log, held by Kafka and by Redis: groups, positions, hand-over, and answers that are each there once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from include.core.connection import Connection
from include.core.errors import DataError, NotReadyError
from include.event_log.open import open_answers, open_events
from include.event_log.port import Answer, Event, EventConsumer, Place, Position, Standing
from tests.support.event_logs import KafkaLog, RedisLog
from tests.support.online_stores import redis_url

__all__ = ["redis_url"]
pytestmark = pytest.mark.lives
QUICK = Connection(extra={"session.timeout.ms": 3000})


class Reader:
    """A listener that goes on where the group was."""

    def __init__(self) -> None:
        self.found: dict[Place, Standing] = {}
        self.released_: list[Place] = []

    def assigned(self, found: Mapping[Place, Standing]) -> Mapping[Place, int]:
        self.found = dict(found)
        return {place: each.position.floor if each.position else each.low for place, each in found.items()}

    def released(self, places: Collection[Place]) -> None:
        self.released_ += places

    def lost(self, places: Collection[Place]) -> None:
        self.released_ += places


@pytest.fixture(scope="module")
def kafka() -> KafkaLog:
    pytest.importorskip("confluent_kafka")
    return KafkaLog()


@pytest.fixture(params=["kafka", "redis"])
def log(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("kafka") if request.param == "kafka" else RedisLog(request.getfixturevalue("redis_url"))


def opened(log: Any, topic: str, group: str = "g") -> tuple[EventConsumer, Reader]:
    consumer, reader = open_events(log.url, QUICK, f"{group}-{topic}", [topic]), Reader()
    consumer.start(reader)
    return consumer, reader


def read(consumer: EventConsumer, count: int, seconds: float = 20) -> list[Event]:
    found: list[Event] = []
    until = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        found += consumer.poll(1000, 0.1)
    return found


@pytest.fixture
def topic(log: Any) -> str:
    name = f"t{uuid.uuid4().hex[:8]}"
    log.make(name)
    for number in range(40):
        log.send(name, b"%d" % number, f"k{number % 5}")
    log.flush()
    return name


def test_positions_come_back_with_what_is_ours_of_them(log: Any, topic: str) -> None:
    consumer, reader = opened(log, topic)
    events = read(consumer, 40)
    assert sorted(int(event.value) for event in events) == list(range(40))
    assert all(event.stamp > 0 for event in events)
    last = {event.place: event for event in events}
    held = {place: event.offset + 1 for place, event in last.items()}
    assert all(consumer.highs()[place] == at for place, at in held.items())
    positions = {place: Position(at, at - 1, 77, watermark=5) for place, at in held.items()}
    assert consumer.commit(positions)
    consumer.close()
    again, reader = opened(log, topic)
    assert {event.offset for event in read(again, len(held))} == {at - 1 for at in held.values()}
    assert {place: each.position for place, each in reader.found.items() if each.position} == positions
    again.close()


def test_a_second_reader_takes_over_and_the_first_one_s_commit_is_refused_or_released(log: Any, topic: str) -> None:
    one, reader = opened(log, topic)
    events = read(one, 40)
    two, other = opened(log, topic)
    until = time.monotonic() + 15
    while not other.found and time.monotonic() < until:
        if isinstance(log, RedisLog):
            one.close()  # it hands over only when it ends
        else:
            one.poll(10, 0.1)
        two.poll(10, 0.1)
    assert other.found
    if isinstance(log, RedisLog):
        assert not one.commit({events[0].place: Position(1, 1)})
    else:
        assert reader.released_
    two.close()
    one.close()


def test_answers_and_positions_are_there_together(log: Any, topic: str) -> None:
    log.make(f"{topic}-answers")
    consumer, _ = opened(log, topic)
    events = read(consumer, 40)
    writer = open_answers(log.url, QUICK, consumer, f"g-{topic}", "one", f"{topic}-answers")
    writer.start()
    position = {event.place: Position(event.offset + 1, event.offset + 1) for event in events}
    assert writer.write([Answer(event, event.key, b"of " + event.value) for event in events], position)
    writer.close()
    consumer.close()
    assert sorted(log.read(f"{topic}-answers")) == sorted(b"of %d" % number for number in range(40))
    again, reader = opened(log, topic)
    assert read(again, 1, seconds=4) == []
    assert {place: each.position.next for place, each in reader.found.items() if each.position} == {
        place: at.next for place, at in position.items()
    }
    again.close()


def test_a_kafka_answer_without_its_position_is_found(kafka: KafkaLog) -> None:
    topic = f"t{uuid.uuid4().hex[:8]}"
    kafka.make(topic, f"{topic}-answers")
    kafka.send(topic, b"1", "k")
    kafka.flush()
    consumer, _ = opened(kafka, topic)
    (event,) = read(consumer, 1)
    writer: Any = open_answers(kafka.url, QUICK, consumer, f"g-{topic}", "one", f"{topic}-answers")
    writer.start()
    writer._consumer = None  # dies before the positions

    with pytest.raises(AttributeError):
        writer.write([Answer(event, event.key, b"x")], {event.place: Position(event.offset + 1, 0)})
    next_: Any = open_answers(kafka.url, QUICK, consumer, f"g-{topic}", "two", f"{topic}-answers")
    next_.start()
    assert event.offset in next_.answered(event.place, None)
    consumer.close()


def test_a_topic_that_is_not_there_is_told(log: Any) -> None:
    if isinstance(log, KafkaLog):
        pytest.skip("this cluster makes every topic that somebody asks for")
    with pytest.raises(NotReadyError, match="no stream"):
        opened(log, "nowhere")


def test_a_redis_stream_that_vanishes_or_is_made_anew_is_told(redis_url: str) -> None:
    log = RedisLog(redis_url)
    topic = f"t{uuid.uuid4().hex[:8]}"
    log.make(topic)
    log.send(topic, b"1")
    consumer, _ = opened(log, topic)
    read(consumer, 1)
    log.remove(topic)
    consumer._looked = 0.0  # type: ignore[attr-defined]  # as if a look were due
    with pytest.raises(NotReadyError):
        consumer.poll(1, 0.0)
    log._client.xadd(topic, {"event": b"1"}, id="5-1")
    with pytest.raises(DataError, match="made anew"):
        consumer.poll(1, 0.0)
    consumer.close()
