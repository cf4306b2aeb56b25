"""Topic in, topic out: each request of a topic is answered once, by the gateway's own predictor in this process.

Answers and the position of what they answer go out in one step (include/event_log/port.py: AnswerWriter): killed anywhere, the
next process answers what has no answer yet. A request whose id was answered a while ago, in the same partition, is passed over.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from include.core.errors import NotReadyError, TransientError
from include.core.time import now
from include.event_log.port import Answer, AnswerWriter, Event, EventConsumer, Place, Position, Standing
from include.streaming.loop import REST, SAMPLED, Limits
from include.streaming.standing import start_of
from include.streaming.telemetry import StreamMetrics

log = logging.getLogger(__name__)
T = TypeVar("T")
REMEMBERED = 100_000  # ids of a place
WAITS = frozenset({404, 429, 503})  # statuses that pass: nobody serves the model yet, or too many ask


class Predictor(Protocol):
    def answer(self, bodies: Sequence[bytes]) -> Sequence[tuple[int, bytes]]:
        """A status of HTTP and a JSON body for each request, as `POST /predict/{model}` gives them."""
        ...


class _Named(msgspec.Struct):
    id: str | int | None = None


_id_of = msgspec.json.Decoder(_Named).decode


@dataclass
class _Read:
    """What is known of a place: the next offset, ids that were answered, and offsets whose answers are there already."""

    next: int
    written: int  # the committed position: before it every request has its answer
    ids: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    known: set[str] = field(default_factory=set)
    there: Collection[int] = ()

    def remember(self, offset: int, name: str) -> None:
        if len(self.ids) == REMEMBERED:
            self.known.discard(self.ids[0][1])
        self.ids.append((offset, name))
        self.known.add(name)


class AnswerLoop:
    """The listener of its consumer. For one thread."""

    def __init__(
        self, owner: str, consumer: EventConsumer, writer: AnswerWriter, predictor: Predictor, metrics: StreamMetrics,
        limits: Limits,
    ) -> None:  # fmt: skip
        self._owner, self._consumer, self._writer, self._predictor = owner, consumer, writer, predictor
        self.metrics, self._limits = metrics, limits
        self._places: dict[Place, _Read] = {}
        self._term = 0

    def run(self, stop: Callable[[], bool], until_end: bool = False) -> None:
        """Until `stop` says so; with `until_end`, until there is nothing more to answer."""
        self._writer.start()
        self._consumer.start(self)
        try:
            while not stop():
                read = self.step()
                if until_end and not read and self._places and not any(self._lag().values()):
                    break
        finally:
            self._writer.close()
            self._consumer.close()

    def step(self) -> int:
        """One batch; how many events it had."""
        polled = self._consumer.poll(self._limits.batch, self._limits.wait)
        # What came before a hand-over within the same call is not ours any more.
        events = [event for event in polled if event.place in self._places and event.offset >= self._places[event.place].next]
        term, new = self._term, self._new(events)
        answers = self._patient(lambda: self._answers(new)) if new else []
        if answers is None or self._term != term:  # the places are somebody else's, and so are the answers
            return len(events)
        for event in events:
            self._places[event.place].next = event.offset + 1
        positions = self._positions({event.place for event in events})
        if positions:
            done = self._patient(lambda: self._writer.write(answers, positions))
            if self._term != term:
                return len(events)
            if not done:
                log.warning("another process answers our partitions of %s now", self._owner)
                self._places = {}
                return len(events)
            for place in positions:
                self._places[place].written = self._places[place].next
        self._note(events, answers)
        return len(events)

    def _new(self, events: Sequence[Event]) -> list[Event]:
        """Those that are to be answered; ids that were are remembered."""
        found = []
        for event in events:
            place = self._places[event.place]
            name = id_of(event.value)
            answered = event.offset < place.written or event.offset in place.there
            if not answered and not (name and name in place.known):
                found.append(event)
            elif not answered:
                self.metrics.add("set_aside_total", "repeated")
            if name and name not in place.known:
                place.remember(event.offset, name)
        return found

    def _answers(self, events: Sequence[Event]) -> list[Answer]:
        given = self._predictor.answer([event.value for event in events])
        wait = next((body for status, body in given if status in WAITS), None)
        if wait is not None:
            raise NotReadyError(f"{self._owner} does not answer yet.", seen=wait[:300].decode(errors="replace"))
        return [
            Answer(event, event.key, _named(event, status, body)) for event, (status, body) in zip(events, given, strict=True)
        ]

    def _positions(self, places: Collection[Place]) -> dict[Place, Position]:
        found = {}
        for place in places:
            read = self._places[place]
            if read.next > read.written:
                found[place] = Position(read.next, read.ids[0][0] if read.ids else read.next)
        return found

    def _patient(self, act: Callable[[], T]) -> T | None:
        """Until what is asked answers; None where the places went to another process meanwhile."""
        term = self._term
        while True:
            try:
                found = act()
            except TransientError as error:
                self.metrics.set("blocked", 1)
                log.warning("waits: %s", error)
                self._consumer.rest(REST)
                if self._term != term:
                    return None
                continue
            self.metrics.set("blocked", 0)
            return found

    # -- the listener --------------------------------------------------------------------------------------------------------

    def assigned(self, found: Mapping[Place, Standing]) -> Mapping[Place, int]:
        first, self._term, self._places = not self._term, self._term + 1, {}
        starts = {}
        for place, standing in found.items():
            position = None if self._limits.from_start and first else standing.position
            at = start_of(self._owner, place, Standing(position, standing.low, standing.high), accept_gap=self._limits.accept_gap)
            written = position.next if position is not None else at
            self._places[place] = _Read(at, written, there=self._writer.answered(place, position))
            starts[place] = at
        return starts

    def released(self, places: Collection[Place]) -> None:
        """Every answer that is given is committed already."""
        self._leave(places)

    def lost(self, places: Collection[Place]) -> None:
        self._leave(places)

    def _leave(self, places: Collection[Place]) -> None:
        self._term += 1
        for place in places:
            self._places.pop(place, None)

    # -- what is said of it --------------------------------------------------------------------------------------------------

    def _lag(self) -> dict[Place, int]:
        highs = self._consumer.highs()
        return {place: max(0, highs[place] - read.next) for place, read in self._places.items() if place in highs}

    def _note(self, events: Sequence[Event], answers: Sequence[Answer]) -> None:
        self.metrics.add("events_total", by=len(events))
        failed = sum(answer.value.startswith(b'{"error"') for answer in answers)
        for status, count in (("answered", len(answers) - failed), ("refused", failed)):
            if count:
                self.metrics.add("answers_total", status, count)
        for event in events[:: max(1, len(events) // SAMPLED)]:
            self.metrics.took(max(0.0, now().timestamp() - event.stamp / 1e6))
        unit = self._consumer.unit
        self.metrics.lag({place: -(-lag // unit) for place, lag in self._lag().items()})
        self.metrics.beat()


def id_of(body: bytes) -> str:
    """The request's id; empty where it has none."""
    try:
        found = _id_of(body).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return "" if found is None else str(found)


def _named(event: Event, status: int, body: bytes) -> bytes:
    """A refusal says which request it is of; an answer does anyhow."""
    if status < 400:
        return body
    error = msgspec.json.decode(body)
    return msgspec.json.encode({"error": error.pop("error", ""), "id": id_of(event.value) or None, "status": status, **error})
