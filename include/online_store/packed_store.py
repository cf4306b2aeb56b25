"""An online store on top of a few verbs over packed rows: what every vendor here is made of."""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from include.core.spec import View
from include.core.time import from_microseconds, microseconds, now
from include.online_store.layout import Layout, parts_of, unpack_entities, unpack_entity
from include.online_store.row_codec import Packed, pack, without_key
from include.online_store.store import EntityReader, Meant, Row, RowFetcher, Stamped, Values, WriteReport

EPOCH_LENGTH = 16  # hex digits
CHUNK = 20_000  # rows packed, written and read back at a time: about 12 MB


class Stored(NamedTuple):
    event: int
    created: int
    payload: bytes


Exchange = Generator[None, None, tuple[int, Sequence[int]]]  # how many changed, and `PackedStore.compare`


class PackedStore(ABC):
    """OnlineStore on top of five verbs over packed rows."""

    @abstractmethod
    def put(self, rows: Packed, ttl: int | None) -> int:
        """Guarded upsert of distinct keys; how many changed. Rows live `ttl` microseconds from now, None for ever."""

    @abstractmethod
    def get(self, keys: Sequence[str]) -> list[Stored | None]: ...

    @abstractmethod
    def fetch(self, keys: Sequence[str]) -> list[Row | None]:
        """Event time and payload: `get` for the serving path."""

    def compare(self, rows: Packed, ttl: int | None = None) -> Sequence[int]:
        """Read rows back: 0 where one is stored as it is, above 0 where a newer one is, below 0 where neither is.

        Those that are as they were written live `ttl` microseconds from now.
        """
        stored = self.get(rows.keys)
        wanted = zip(rows.events, rows.created, rows.payloads, strict=True)
        return [-1 if row is None else (row > want) - (row < want) for row, want in zip(stored, wanted, strict=True)]

    def exchange(self, rows: Packed, ttl: int | None) -> Exchange:
        """`put`, then `compare`, in two steps: after the first the rows are on their way, the second waits for answers."""
        changed = self.put(rows, ttl) if rows.keys else 0
        orders = self.compare(rows, ttl)
        yield
        return changed, orders

    @abstractmethod
    def size(self, prefix: str) -> int:
        """How many keys start with the prefix."""

    @abstractmethod
    def has(self, prefix: str) -> bool:
        """Whether a key starts with the prefix; True as well where finding out would take long."""

    @abstractmethod
    def expire(self, prefix: str) -> int:
        """Remove what has outlived its ttl; how many. 0 where the store does it by itself."""

    @abstractmethod
    def walk(self, prefix: str) -> Iterator[str]:
        """Every key that starts with the prefix, expired or not."""

    @abstractmethod
    def drop(self, keys: Sequence[str]) -> int:
        """Remove rows, so that nothing of them stays in the store's files; how many were there."""

    def remove(self, owner: str, meant: Meant) -> int:
        found = [key for key in self.walk(f"{owner}:") if (parts := parts_of(key)) is not None and meant(*parts)]
        return self.drop(found) if found else 0

    def purge(self) -> list[str]:
        """A store that keeps nothing of what it dropped has nothing to do."""
        return []

    def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        layout, changed = self.layout(model, view), 0
        newest: list[tuple[int, int]] = []
        for at in range(0, rows.num_rows, CHUNK):
            packed = pack(layout, rows.slice(at, CHUNK), created)
            changed += self.put(packed, layout.ttl) if packed.keys else 0
            newest = _newest(packed, *newest)
        self._mark(layout, newest)
        return changed

    def write_back(self, model: str, view: View, rows: pa.Table, created: datetime) -> WriteReport:
        layout, written, count, newer = self.layout(model, view), 0, 0, 0
        self._begin(layout)
        same: list[int] = []
        lost: list[str] = []
        for at, chunk, changed, orders in self._written_back(layout, rows, created):
            written += changed
            count += len(chunk.keys)
            if not any(orders):
                same += [at + place for place in chunk.kept]
                continue
            for key, place, order in zip(chunk.keys, chunk.kept, orders, strict=True):
                if order == 0:
                    same.append(at + place)
                elif order < 0:
                    lost.append(key)
                else:
                    newer += 1
        return WriteReport(count, written, tuple(same), newer, tuple(lost), without_key(view, rows))

    def _written_back(
        self, layout: Layout, rows: pa.Table, created: datetime
    ) -> Iterator[tuple[int, Packed, int, Sequence[int]]]:
        """Each chunk's place, rows, how many changed, and what reading back said.

        While a store in another process works the next is packed.
        """
        before: tuple[int, Packed, Exchange] | None = None
        newest: list[tuple[int, int]] = []
        for at in range(0, max(1, rows.num_rows), CHUNK):
            packed = pack(layout, rows.slice(at, CHUNK), created)
            newest = _newest(packed, *newest)
            exchange = self.exchange(packed, layout.ttl)
            next(exchange)
            if before is not None:
                yield _answered(*before)
            before = at, packed, exchange
        assert before is not None
        yield _answered(*before)
        self._mark(layout, newest)

    def _mark(self, layout: Layout, newest: Sequence[tuple[int, int]]) -> None:
        """Remember the newest (event, created) of the rows that are in."""
        for event, created in newest:
            marks = len(layout.marks)
            self.put(Packed([*layout.marks], [event] * marks, [created] * marks, [b""] * marks, [0] * marks), None)

    def _begin(self, layout: Layout) -> None:
        """Name the epoch, if the view has none. Of several that do so at once the one that began first stands, for all."""
        if self.get([layout.epoch])[0] is None:
            name = uuid.uuid4().hex[:EPOCH_LENGTH].encode()
            self.put(Packed([layout.epoch], [-microseconds(now())], [0], [name], [0]), None)

    def epochs(self, model: str, views: Sequence[View]) -> list[str]:
        stored = self.get([layout.epoch for layout in self._layouts(model, views)])
        return [row.payload.decode() if row else "" for row in stored]

    def holds(self, model: str, views: Sequence[View]) -> list[bool]:
        layouts = self._layouts(model, views)
        marked = self.get([layout.newest for layout in layouts])
        return [row is not None and self.has(f"{layout.prefix}:") for row, layout in zip(marked, layouts, strict=True)]

    def lost(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        layout = self.layout(model, view)
        chunks = (pack(layout, rows.slice(at, CHUNK), created) for at in range(0, rows.num_rows, CHUNK))
        return sum(order < 0 for packed in chunks if packed.keys for order in self.compare(packed))

    def read(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[Values | None]:
        layout = self.layout(model, view)
        return [layout.unpack(row[1]) if row else None for row in self.fetch([layout.key(key) for key in keys])]

    def read_stamped(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[Stamped | None]:
        layout = self.layout(model, view)
        stored = self.get([layout.key(key) for key in keys])
        return [
            Stamped(from_microseconds(row.event), from_microseconds(row.created), layout.unpack(row.payload)) if row else None
            for row in stored
        ]

    def event_times(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[datetime | None]:
        layout = self.layout(model, view)
        return [from_microseconds(row.event) if row else None for row in self.get([layout.key(key) for key in keys])]

    def read_entity(self, model: str, views: Sequence[View], entity: Mapping[str, Any], at: datetime | None = None) -> Values:
        layouts, now = self._layouts(model, views), None if at is None else microseconds(at)
        return unpack_entity(layouts, self.fetch([layout.entity_key(entity) for layout in layouts]), now)

    def read_entities(
        self, model: str, views: Sequence[View], entities: Sequence[Mapping[str, Any]], at: datetime | None = None
    ) -> list[Values]:
        layouts, now = self._layouts(model, views), None if at is None else microseconds(at)
        found = self.fetch([key for layout in layouts for key in layout.entity_keys(entities)])
        return unpack_entities(layouts, found, len(entities), now)

    def reader(self, model: str, views: Sequence[View]) -> EntityReader:
        return LayoutReader(self._layouts(model, views))

    def rows(self, loop: asyncio.AbstractEventLoop) -> RowFetcher | None:
        del loop  # most stores answer from a file on this machine
        return None

    def newest(self, model: str, views: Sequence[View]) -> list[datetime | None]:
        stored = self.get([layout.newest for layout in self._layouts(model, views)])
        return [from_microseconds(row.event) if row else None for row in stored]

    def count(self, model: str, view: View) -> int:
        return self.size(f"{self.layout(model, view).prefix}:")

    def sweep(self, model: str, view: View) -> int:
        layout = self.layout(model, view)
        return 0 if layout.ttl is None else self.expire(f"{layout.prefix}:")

    # -- layouts: derived once for each tuple of views, found again by identity ----------------------------

    def layout(self, model: str, view: View) -> Layout:
        known = self._known.get((model, id(view)))
        if known is None:
            known = self._remember((model, id(view)), view, (Layout.of(model, view),))
        return known[1][0]

    def _layouts(self, model: str, views: Sequence[View]) -> tuple[Layout, ...]:
        if not isinstance(views, tuple):  # may change under its id
            return tuple(self.layout(model, view) for view in views)
        known = self._known.get((model, id(views)))
        if known is None:
            known = self._remember((model, id(views)), views, tuple(Layout.of(model, view) for view in views))
        return known[1]

    def _remember(self, key: tuple[str, int], views: object, layouts: tuple[Layout, ...]) -> tuple[object, tuple[Layout, ...]]:
        if len(self._known) > 1000:
            self._known.clear()
        self._known[key] = (views, layouts)  # holding `views` keeps its id its own
        return self._known[key]

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[object, tuple[Layout, ...]]] = {}


class LayoutReader:
    """The keys of an entity's rows, and its values from them (`EntityReader`)."""

    def __init__(self, layouts: tuple[Layout, ...]) -> None:
        self._layouts, self.width = layouts, len(layouts)

    def keys(self, entity: Mapping[str, Any]) -> list[str]:
        return [layout.entity_key(entity) for layout in self._layouts]

    def values(self, rows: Sequence[Row | None], at: datetime) -> Values:
        return unpack_entity(self._layouts, rows, microseconds(at))


def _newest(rows: Packed, *others: tuple[int, int]) -> list[tuple[int, int]]:
    """The newest (event, created) of some rows; none of none."""
    return [max([*zip(rows.events, rows.created, strict=True), *others])] if rows.keys else [*others]


def _answered(at: int, rows: Packed, exchange: Exchange) -> tuple[int, Packed, int, Sequence[int]]:
    """The second step."""
    try:
        next(exchange)
    except StopIteration as done:
        return at, rows, *done.value
    raise AssertionError("an exchange has two steps")
