"""Answers into a topic of Kafka, each once: one transaction holds the answers and the positions of what they answer.

A writer of the same name that was left behind is fenced by the brokers when the next one starts. What was written and never
committed is aborted. Beside that each answer says which event it is of, and the position says how far the topic of answers was:
whoever starts looks there for answers whose position is missing, and writes no second one. So it holds as well where a broker
keeps no transactions together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from include.backends.kafka.address import Options
from include.backends.kafka.consumer import GONE, SECONDS, KafkaConsumer
from include.core import fault
from include.core.errors import UnreachableError
from include.event_log.port import Answer, Place, Position

OF = "slipstream-of"  # the header that names an answer's event: topic, partition, offset
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})


class KafkaAnswers:
    """`name`: of this writer; one at a time may write under it."""

    def __init__(self, options: Options, consumer: KafkaConsumer, name: str, topic: str) -> None:
        self._options, self._consumer, self._name, self._topic = options, consumer, name, topic
        self._producer: Any = None
        self._highs: dict[int, int] = {}

    def start(self) -> None:
        self._producer = Producer(
            {
                **self._options,
                "transactional.id": self._name,
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
            }
        )
        self._try(lambda: self._producer.init_transactions(SECONDS))
        self._look()

    def _look(self) -> None:
        parts = self._producer.list_topics(self._topic, timeout=SECONDS).topics[self._topic].partitions
        reader: Any = Consumer({**self._options, "group.id": f"{self._name}-look", "enable.auto.commit": False})
        try:
            for part in parts:
                self._highs[part] = reader.get_watermark_offsets(TopicPartition(self._topic, part), timeout=SECONDS)[1]
        finally:
            reader.close()

    def answered(self, place: Place, position: Position | None) -> Collection[int]:
        found: set[int] = set()
        since = {int(part): at for part, at in (position.answered or {}).items()} if position is not None else {}
        reader: Any = Consumer({
            **self._options, "group.id": f"{self._name}-look", "enable.auto.commit": False, "isolation.level": "read_committed",
            "auto.offset.reset": "earliest", "enable.partition.eof": True,
        })  # fmt: skip
        try:
            reader.assign([TopicPartition(self._topic, part, since.get(part, 0)) for part in self._highs])
            ended: set[int] = set()
            while len(ended) < len(self._highs):
                for message in reader.consume(1000, 0.2):
                    error = message.error()
                    if error is None:
                        topic, part, offset = _of(message.headers() or [])
                        if (topic, part) == place and (position is None or offset >= position.next):
                            found.add(offset)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        ended.add(message.partition())
                    else:
                        raise KafkaException(error)
        except KafkaException as error:
            raise self._error(error) from error
        finally:
            reader.close()
        return found

    def write(self, answers: Sequence[Answer], positions: Mapping[Place, Position]) -> bool:
        producer = self._producer
        try:
            producer.begin_transaction()
            for each in answers:
                name = f"{each.event.topic}/{each.event.partition}/{each.event.offset}"
                producer.produce(self._topic, each.value, each.key, headers=[(OF, name)], on_delivery=self._delivered)
            producer.flush(SECONDS)
            fault.point("stream.answered")
            answered = {str(part): high for part, high in self._highs.items()}
            placed = {place: replace(position, answered=answered) for place, position in positions.items()}
            offsets = [TopicPartition(topic, part, at.next, at.to_text()) for (topic, part), at in placed.items()]
            producer.send_offsets_to_transaction(offsets, self._consumer.membership(), SECONDS)
            producer.commit_transaction(SECONDS)
        except KafkaException as error:
            return self._given_up(error)
        fault.point("stream.answers.committed")
        return self._consumer.commit(placed)

    def _given_up(self, error: Any) -> bool:
        """False where somebody else writes; else raises what a retry may mend."""
        code = error.args[0].code()
        if code in FENCED or code in GONE:
            return False
        if error.args[0].txn_requires_abort():
            self._try(lambda: self._producer.abort_transaction(SECONDS))
        raise self._error(error) from error

    def _delivered(self, error: Any, message: Any) -> None:
        if error is None:
            part = message.partition()
            self._highs[part] = max(self._highs.get(part, 0), message.offset() + 1)

    def _try(self, act: Any) -> None:
        try:
            act()
        except KafkaException as error:
            raise self._error(error) from error

    def _error(self, error: Any) -> UnreachableError:
        return UnreachableError(
            f"The topic of answers {self._topic!r} was not written: {error.args[0].str()}.",
            safe="no answer of this batch stands; its events are read again.",
            hint="check the brokers and the topic; the stream goes on where it was.",
        )

    def close(self) -> None:
        if self._producer is not None:
            self._producer.flush(SECONDS)


def _of(headers: Sequence[tuple[str, bytes]]) -> tuple[str, int, int]:
    """The event of an answer; of no topic where a message is somebody else's."""
    for name, value in headers:
        if name == OF:
            topic, part, offset = value.decode().rsplit("/", 2)
            return topic, int(part), int(offset)
    return "", -1, -1
