"""Topics of Kafka, read by a consumer group. Each partition's position is the group's committed offset; what of it is ours alone
stands in the commit's metadata, so that any tool shows the lag, and a restart finds everything in one place."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from include.backends.kafka.address import Options
from include.core.errors import DataError, NotReadyError, PermanentError, SlipstreamError, UnreachableError
from include.event_log.port import Event, Listener, Place, Position, Standing

log = logging.getLogger(__name__)
SECONDS = 30.0  # for an answer of the brokers
QUEUED_KBYTES = 65_536  # of each consumer that librdkafka fetches ahead
GONE = frozenset({
    KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS, KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST, KafkaError._NO_OFFSET, KafkaError._STATE,
})  # fmt: skip
REFUSED = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._AUTHENTICATION,
})  # fmt: skip
MADE_ANEW = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})


class KafkaConsumer:
    unit = 1

    def __init__(self, options: Options, group: str, topics: Sequence[str]) -> None:
        self._topics, self._address = tuple(topics), str(options["bootstrap.servers"])
        self._consumer: Any = Consumer(
            {
                "max.poll.interval.ms": 600_000,
                "session.timeout.ms": 30_000,
                "queued.max.messages.kbytes": QUEUED_KBYTES,
                **options,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",  # a topic that lost what we were to read is told, never passed over
                "partition.assignment.strategy": "range",  # topics that are partitioned alike go together
                "isolation.level": "read_committed",
                "allow.auto.create.topics": False,
                "error_cb": lambda error: log.warning("Kafka at %s: %s", self._address, error),
            },
            logger=log,
        )
        self._listener: Listener | None = None
        self._assigned: list[Place] = []
        self._counts: dict[str, int] = {}
        self._closing = False
        self._stood: dict[Place, int] = {}  # where places ended when they became ours

    def start(self, listener: Listener) -> None:
        self._listener = listener
        self._look()
        self._consumer.subscribe(list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def _look(self) -> None:
        try:
            for topic in self._topics:
                found = self._consumer.list_topics(topic, timeout=SECONDS).topics[topic]
                if found.error is not None or not found.partitions:
                    raise self._missing(topic)
                self._counts[topic] = len(found.partitions)
        except KafkaException as error:
            raise self._error(error.args[0]) from error

    def poll(self, limit: int, seconds: float) -> Sequence[Event]:
        try:
            messages = self._consumer.consume(limit, seconds)
        except KafkaException as error:
            raise self._error(error.args[0]) from error
        events = []
        for message in messages:
            if (wrong := message.error()) is not None:
                if wrong.code() != KafkaError._PARTITION_EOF:
                    raise self._error(wrong, message.topic() or "")
                continue
            kind, milliseconds = message.timestamp()
            stamp = milliseconds * 1000 if kind else 0
            where = message.topic(), message.partition(), message.offset()
            events.append(Event(*where, stamp, message.key(), message.value() or b""))
        return events

    def rest(self, seconds: float) -> None:
        ours = [TopicPartition(*place) for place in self._assigned]
        self._consumer.pause(ours)
        try:
            self._consumer.poll(seconds)  # paused: it gives nothing, and answers the group
        finally:
            still = [each for each in ours if (each.topic, each.partition) in self._assigned]
            self._consumer.resume(still)

    def commit(self, positions: Mapping[Place, Position]) -> bool:
        wanted = [TopicPartition(topic, part, at.next, at.to_text()) for (topic, part), at in positions.items()]
        try:
            done = self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() in GONE:
                return False
            raise self._error(error.args[0]) from error
        for each in done:
            if each.error is not None:
                if each.error.code() in GONE:
                    return False
                raise self._error(each.error, each.topic)
        return True

    def counts(self) -> Mapping[str, int]:
        return self._counts

    def highs(self) -> Mapping[Place, int]:
        look = self._consumer.get_watermark_offsets
        ends = ((place, look(TopicPartition(*place), cached=True)[1]) for place in self._assigned)
        return {place: max(high, self._stood[place]) for place, high in ends}

    def membership(self) -> Any:
        """For a transaction that commits our positions."""
        return self._consumer.consumer_group_metadata()

    def close(self) -> None:
        self._closing = True
        self._consumer.close()

    # -- the group's calls ---------------------------------------------------------------------------------------------------

    def _on_assign(self, _: Any, partitions: Sequence[Any]) -> None:
        if self._closing:  # the group was in the midst of it
            return
        assert self._listener is not None
        found: dict[Place, Standing] = {}
        try:
            for each in self._consumer.committed(list(partitions), timeout=SECONDS) if partitions else ():
                low, high = self._consumer.get_watermark_offsets(TopicPartition(each.topic, each.partition), timeout=SECONDS)
                position = Position.from_text(each.metadata, each.offset) if each.offset >= 0 else None
                found[each.topic, each.partition] = Standing(position, low, high)
        except KafkaException as error:
            raise self._error(error.args[0]) from error
        self._stood = {place: each.high for place, each in found.items()}
        starts = self._listener.assigned(found)
        self._assigned = sorted(starts)
        self._consumer.assign([TopicPartition(topic, part, at) for (topic, part), at in starts.items()])

    def _on_revoke(self, _: Any, partitions: Sequence[Any]) -> None:
        assert self._listener is not None
        self._listener.released([(each.topic, each.partition) for each in partitions])
        self._assigned = []

    def _on_lost(self, _: Any, partitions: Sequence[Any]) -> None:
        assert self._listener is not None
        self._listener.lost([(each.topic, each.partition) for each in partitions])
        self._assigned = []

    # -- errors --------------------------------------------------------------------------------------------------------------

    def _missing(self, topic: str) -> NotReadyError:
        return NotReadyError(
            f"There is no topic {topic!r} at {self._address}.",
            safe="nothing was read; what is online stays.",
            hint="create it, or name another in streams.sources; if it was removed by mistake, make it again and start "
            "with --from-start.",
        )

    def _error(self, error: Any, topic: str = "") -> SlipstreamError:
        code, words = error.code(), error.str()
        if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
            return self._missing(topic or ", ".join(self._topics))
        if code in MADE_ANEW:
            return DataError(
                f"The topic {topic!r} does not hold what is to be read next: it was made anew, or keeps events too briefly.",
                seen=words,
                safe="what was read before is committed; what is online stays.",
                hint="start the stream again: it says which offsets are there, and how to go on.",
            )
        if code in REFUSED:
            return PermanentError(
                f"Kafka at {self._address} refuses us: {words}.",
                safe="nothing was read.",
                hint="look at the login in the connection `slipstream_stream`, and at the group's and the topics' rights.",
            )
        return UnreachableError(
            f"Kafka at {self._address} did not answer: {words}.",
            safe="what was not committed is read again.",
            hint="check SLIPSTREAM_STREAM_URL, the connection `slipstream_stream` and the brokers.",
        )
