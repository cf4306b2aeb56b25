"""What an engine makes of events, and what a process asks of one: the views' own SQL, or rows that another engine computed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from include.core.spec import View
from include.event_log.decode import Poison
from include.event_log.port import Event, Place, Position


@dataclass(frozen=True)
class Due:
    """Rows of a view that are to be written, with `created_timestamp`."""

    view: View
    newest: pa.Table  # of each key
    rows: pa.Table  # all of them


@dataclass
class Taken:
    """What came of some events. `counted`: those that count from now on; `late` ones are among `poison`."""

    due: list[Due] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    counted: int = 0
    late: int = 0


class Engine(Protocol):
    """For one thread."""

    watermark: int  # microseconds since 1970: rows up to there are given

    def keep(self, places: Iterable[Place]) -> None:
        """These places are ours; forget every other, with what was made of it."""
        ...

    def forget(self, parts: Collection[int]) -> None:
        """Partitions that are to be read again, or not at all."""
        ...

    def begin(self, place: Place, position: Position | None, start: int) -> None:
        """Events of a place come from that offset on."""
        ...

    def reads(self, place: Place) -> int | None:
        """The offset that is next, of a place whose state is whole."""
        ...

    def read_to(self, place: Place) -> int:
        """The next offset."""
        ...

    def place_at_end(self, place: Place, high: int) -> None:
        """Its log ends there now."""
        ...

    def take(self, events: Sequence[Event], behind: Collection[Place] = ()) -> Taken:
        """`behind`: the places of which there is more to read. Everything that is due now, whenever it was computed."""
        ...

    def written(self) -> None:
        """All that the last `take` gave is in."""
        ...

    def positions(self) -> dict[Place, Position]:
        """What may be committed once everything due is written."""
        ...

    def held(self) -> int:
        """How many events are in memory."""
        ...

    def close(self) -> None: ...
