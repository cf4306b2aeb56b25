"""The port of an event log: what topics of Kafka and streams of Redis are to us.

A place is a partition of a topic. Its events have offsets that only grow. Whoever reads a place keeps its position with the log
itself: the next event to read, and the first one that what it holds in memory was made of. So another process, on any machine,
makes the same state of the same events, and goes on where the one before it had written.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, Protocol, Self

Place = tuple[str, int]  # a topic and the number of a partition


class Event(NamedTuple):
    topic: str
    partition: int
    offset: int
    stamp: int  # microseconds since 1970, UTC: when the log took it, or its producer sent it
    key: bytes | None
    value: bytes

    @property
    def place(self) -> Place:
        return self.topic, self.partition


@dataclass(frozen=True)
class Position:
    """How far a place was read, and written."""

    next: int
    """The first offset of which nothing is written yet."""

    floor: int
    """The first offset whose event still counts for what comes."""

    stamp: int = 0
    """The newest stamp that was given to an event before `next` (microseconds): those after it get newer ones."""

    watermark: int | None = None
    """The event time (microseconds) up to which rows were written."""

    answered: Mapping[str, int] | None = None
    """Of answers: how far the topic that they go to was when they were committed, by partition."""

    def to_text(self) -> str:
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None}, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None, next_: int) -> Self:
        """`text` is empty where somebody else's tool moved the position: the events before it are then not known."""
        known = json.loads(text) if text else {}
        return cls(
            next_, int(known.get("floor", next_)), int(known.get("stamp", 0)), known.get("watermark"), known.get("answered")
        )


@dataclass(frozen=True)
class Standing:
    """A place that is ours from now on: what was committed of it, and the offsets that the log holds (`high` is the next)."""

    position: Position | None
    low: int
    high: int


class Listener(Protocol):
    """Who reads. Called from within `EventConsumer.poll` and `close`, on the same thread."""

    def assigned(self, found: Mapping[Place, Standing]) -> Mapping[Place, int]:
        """These and no other places are ours now. Returns the offset to read each from."""
        ...

    def released(self, places: Collection[Place]) -> None:
        """They go to somebody else: commit what is written."""
        ...

    def lost(self, places: Collection[Place]) -> None:
        """They are somebody else's already; a commit would be refused."""
        ...


class EventConsumer(Protocol):
    """Reads topics for a group: each place is read by one member of it. For one thread."""

    unit: int
    """Offsets that lag is counted in: 1 where each is an event; as many as a millisecond has where they are times."""

    def start(self, listener: Listener) -> None:
        """Joins the group. Raises UnreachableError, and NotReadyError for a topic that is not there."""
        ...

    def poll(self, limit: int, seconds: float) -> Sequence[Event]:
        """Up to so many next events, in the order of offsets within a place; waits so long for the first.

        Raises UnreachableError, NotReadyError (a topic has gone) and DataError (it was made anew, or has lost what we were to
        read).
        """
        ...

    def rest(self, seconds: float) -> None:
        """Stay a member without reading, while what is written to is away."""
        ...

    def commit(self, positions: Mapping[Place, Position]) -> bool:
        """Keep positions. False where a place is not ours any more: nothing was kept then."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How many partitions each topic has."""
        ...

    def highs(self) -> Mapping[Place, int]:
        """The next offset of each place that is ours, as last heard; absent where nothing was heard yet."""
        ...

    def close(self) -> None:
        """Leaves the group."""
        ...


class Answer(NamedTuple):
    """What was made of one event, on its way to a topic."""

    event: Event
    key: bytes | None
    value: bytes


class AnswerWriter(Protocol):
    """Writes answers and the positions of what they answer in one step: all of it, or nothing."""

    def start(self) -> None:
        """Whoever wrote under the same name before cannot any more."""
        ...

    def answered(self, place: Place, position: Position | None) -> Collection[int]:
        """Offsets at or after the committed one whose answers are in the topic all the same."""
        ...

    def write(self, answers: Sequence[Answer], positions: Mapping[Place, Position]) -> bool:
        """False where a place is not ours any more: nothing was written then."""
        ...

    def close(self) -> None: ...
