"""Opening Kafka for the port of an event log."""

from __future__ import annotations

from collections.abc import Sequence

from include.backends.kafka.address import options_of
from include.backends.kafka.answers import KafkaAnswers
from include.backends.kafka.consumer import KafkaConsumer
from include.core.connection import Connection


def open_events(url: str, connection: Connection | None, group: str, topics: Sequence[str]) -> KafkaConsumer:
    return KafkaConsumer(options_of(url, connection), group, topics)


def open_answers(
    url: str, connection: Connection | None, consumer: KafkaConsumer, group: str, member: str, topic: str
) -> KafkaAnswers:
    return KafkaAnswers(options_of(url, connection), consumer, f"{group}-{member}", topic)
