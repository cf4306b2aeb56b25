"""The port of the online store: for each view, version and entity the newest known values.

A row is guarded: only what is newer by (event time, creation time) replaces it, decided by the store in one atomic
operation. So backfills, retries, pushes and parallel days may write in any order and the same rows are left; a tie
with other values goes to the same one of them, whichever comes first.

Whoever reads or writes features online knows this module and nothing more: an implementation that has what `OnlineStore`
says serves requests (tests/contract/test_online_port.py). `include/online_store/open.py` opens the one that an address names;
`include/online_store/packed_store.py` is a base for stores that can keep keys and bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # Arrow and the spec: not for whoever only wants the types
    import pyarrow as pa

    from include.core.spec import View

Values = dict[str, Any]  # feature name to its value: a number, a text, or None where it is missing
Row = tuple[int, bytes]  # event time (microseconds since 1970, UTC), and what the EntityReader of the same store makes values of
Meant = Callable[[str, Sequence[str | None]], bool]  # of a view's name, and an entity's keys as texts in the view's order
Fetched = list[Row | None] | Exception  # the rows of some keys, in their order, None where there is none; or why there are none


class Stamped(NamedTuple):
    """Values with their times, UTC without zone."""

    event_timestamp: datetime
    created: datetime
    values: Values


@dataclass(frozen=True)
class WriteReport:
    """What a write did, read back from the store: `rows` of it had keys; `same` of those are online as written.

    `newer` were newer online already, or became so; `lost` keys are neither. `written` replaced what was there.
    """

    rows: int
    written: int
    same: tuple[int, ...]  # places in the table
    newer: int
    lost: tuple[str, ...]
    without_key: int


class EntityReader(Protocol):
    """`OnlineStore.read_entity` in two halves, for a caller that gathers the keys of many requests. Does no input or output."""

    @property
    def width(self) -> int:
        """How many rows an entity has: one for each view."""
        ...

    def keys(self, entity: Mapping[str, Any]) -> list[str]:
        """The keys of an entity's rows, one for each view in the order of the views: what is fetched.

        Raises whatever cannot be a key; the caller takes that for an entity without rows.
        """
        ...

    def values(self, rows: Sequence[Row | None], at: datetime) -> Values:
        """All features that the rows of one entity hold ([width], as fetched by its keys), absent names being unknown.

        Values older than their view's ttl at `at` (UTC, without zone) are unknown. Raises whatever is wrong with a row that
        cannot be read; the caller goes on with what it knows.
        """
        ...


class RowFetcher(Protocol):
    """Fetches rows while an event loop goes on. For one loop, called on it."""

    def fetch(self, keys: Sequence[str], done: Callable[[Fetched], None]) -> None:
        """Calls `done` once, from the loop: with what `OnlineStore.fetch` would return, or with the error.

        The error is an UnreachableError if the store does not answer within what a request may wait (some 100 ms).
        """
        ...

    def close(self) -> None:
        """Ends the connection; whoever waits gets an UnreachableError."""
        ...


class RowWriter(Protocol):
    """What pushes rows: a part of the online store, and of what stands before it."""

    def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        """Upsert rows (keys, event_timestamp, features); returns how many were newer than what was there.

        `created` (UTC) says which of two values for one event time is the correction: the newer. A column
        `created_timestamp` says it row by row. Rows with a null key are left out. Raises DataError for rows that do not have
        the view's columns and types, before anything is written, and UnreachableError.
        """
        ...


class OnlineStore(RowWriter, Protocol):
    """The port. Safe for many processes and threads at once; connects on first use.

    Every call that reads or writes raises UnreachableError, naming the address, if the store does not answer; writing raises
    DataError for rows that do not have the view's columns and types. Keys are those of `view.keys`, in their order; a key is
    text, a whole number is its digits (include/core/keys.py). Rows that have outlived their view's ttl are not there.
    """

    def write_back(self, model: str, view: View, rows: pa.Table, created: datetime) -> WriteReport:
        """`write`, then read every row back and compare all of its bytes."""
        ...

    def read(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[Values | None]:
        """The values for each key tuple in the order of `view.keys`, None where there is none."""
        ...

    def read_stamped(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[Stamped | None]:
        """The same with the times of each row."""
        ...

    def event_times(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[datetime | None]:
        """The event time of each key's values, UTC without zone."""
        ...

    def read_entity(self, model: str, views: Sequence[View], entity: Mapping[str, Any], at: datetime | None = None) -> Values:
        """All features known of one entity. Absent names are unknown.

        With `at` (UTC, without zone), values older than their view's ttl by then count as unknown.
        """
        ...

    def read_entities(
        self, model: str, views: Sequence[View], entities: Sequence[Mapping[str, Any]], at: datetime | None = None
    ) -> list[Values]:
        """`read_entity` for many, in one round trip."""
        ...

    def reader(self, model: str, views: Sequence[View]) -> EntityReader:
        """What makes the keys of these views' rows, and values of the rows: the gateway's way to read."""
        ...

    def fetch(self, keys: Sequence[str]) -> list[Row | None]:
        """The rows of an EntityReader's keys, in their order; None where there is none, also for a key that nobody made."""
        ...

    def rows(self, loop: asyncio.AbstractEventLoop) -> RowFetcher | None:
        """What fetches for that event loop; None where `fetch` answers at once, without a network."""
        ...

    def newest(self, model: str, views: Sequence[View]) -> list[datetime | None]:
        """The newest event time ever written to each view (UTC, without zone): how fresh it is.

        Of a view without a version: to any of its versions.
        """
        ...

    def count(self, model: str, view: View) -> int:
        """How many entities the view holds."""
        ...

    def holds(self, model: str, views: Sequence[View]) -> list[bool]:
        """Whether each view holds any entity. A look: where finding out would take long, that it was written will do."""
        ...

    def epochs(self, model: str, views: Sequence[View]) -> list[str]:
        """A name for as long as the store keeps a view's rows, from its first `write_back` on: another once it has lost them
        and was filled again. Empty where it has lost them, or where no such write has been."""
        ...

    def lost(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        """How many of these rows are not there, neither as they would be written nor newer."""
        ...

    def sweep(self, model: str, view: View) -> int:
        """Remove the rows whose time to live has passed, where the store does not by itself; how many."""
        ...

    def remove(self, owner: str, meant: Meant) -> int:
        """Remove rows of a model or feature set, in whatever view and version of one; how many. Walks through all of its rows.

        What is written meanwhile may stay, and what is written again is there again.
        """
        ...

    def purge(self) -> list[str]:
        """Have the store's own files written anew without what was removed: free pages, a log of commands, a dump.

        Returns what keeps it none the less, each in words: what it is, and what ends it.
        """
        ...
