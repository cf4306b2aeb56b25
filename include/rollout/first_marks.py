"""First-slice maps: of each entity the first time that it met an event, as one source saw it.

By place of the entity's hash (include/rollout/entity_bitmap.py): the slice and the moment of the first event, the arm, and what
else is to be known of it. Maps of several sources merge by the minimum, which is associative, commutative and idempotent. What
is first within a slice is told by the moment that the record was written, as where one gateway wrote the log; a source's slices
only grow, so it remembers the moments of the running slice alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from include.rollout.alpha_spending import period_of
from include.rollout.entity_bitmap import EntityBitmap, place_of, width
from include.rollout.evidence import AGAIN
from include.rollout.journal import MARKS, Journal, Rows


def memory_of(stream: str, slot: int) -> str:
    """The map that a stream's event in a slice belongs to: entities are observed anew in each period after the plan."""
    return f"{stream}:{period_of(slot)}" if stream == AGAIN else stream


@dataclass
class FirstMarks:
    """`expected` entities, by which the maps are sized."""

    expected: int
    journal: Journal = field(default_factory=lambda: Journal(MARKS))

    def __post_init__(self) -> None:
        self._bits = width(self.expected)
        self._known: dict[str, EntityBitmap] = {}
        self._slot = -1
        self._running: dict[tuple[str, int], int] = {}  # the moments of the first events of the running slice

    def add(self, stream: str, unit: int, arm: int, slot: int, at: int, flags: int = 0) -> None:
        """An event of an entity. `at`: microseconds; `flags`: bits that hold for the first event."""
        memory, place = memory_of(stream, slot), place_of(unit, arm, self._bits)
        if slot > self._slot:
            self._slot, self._running = slot, {}
        if not self._bitmap(memory).add_place(place):
            known = self._running.get((memory, place))
            if known is None or at >= known:
                return
        self._running[memory, place] = at
        self.journal.add((self.journal.place(stream), place, slot, at, arm | flags << 1))

    def know(self, names: list[str], rows: Rows) -> None:
        """What was published before."""
        self._slot = max(self._slot, int(rows["slice"].max(initial=0)))
        for row in rows:
            name, place, slot, at, _ = row.item()
            memory = memory_of(names[name], slot)
            self._bitmap(memory).add_place(place)
            if slot == self._slot:
                key = memory, place
                self._running[key] = min(at, self._running.get(key, at))

    def _bitmap(self, memory: str) -> EntityBitmap:
        found = self._known.get(memory)
        if found is None:
            if memory.startswith(AGAIN):  # a new period: the ones before are over
                self._known = {name: known for name, known in self._known.items() if not name.startswith(AGAIN)}
            found = self._known[memory] = EntityBitmap(self.expected)
        return found
