"""Where a stream's rows go: the online store at once, the offline log and the quarantine batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from include.core import fault
from include.core.housekeeping import housekeeping
from include.core.partition import DAILY, Cadence
from include.core.spec import View
from include.core.storage import Storage
from include.core.time import utc_now
from include.data.session import open_session
from include.data.sql import quoted
from include.event_log import poison
from include.event_log.decode import Poison
from include.features.online.pushed import append
from include.features.streams.rows import EVENT
from include.features.streams.taken import Due
from include.online_store.row_codec import CREATED
from include.online_store.store import RowWriter

BUFFER = 200_000  # rows for the offline log that are in memory before they are written


class Sink:
    """`targets`: the views that a view's rows are written as online (its present version, and rows without one)."""

    def __init__(
        self, owner: str, store: RowWriter, storage: Storage, targets: Mapping[str, Sequence[View]], cadence: Cadence = DAILY
    ) -> None:
        self._cadence = cadence
        self._owner, self._store, self._storage, self._targets = owner, store, storage, targets
        self._rows: dict[str, list[pa.Table]] = {}
        self._poison: list[Poison] = []
        self._buffered = 0

    def begin(self) -> None:
        """Remove what writers left that were killed."""
        with housekeeping(f"what killed writers left of {self._owner}"):
            for folder in (f"pushed/{self._owner}", f"{poison.FOLDER}/{self._owner}"):
                self._storage.sweep(folder)

    @property
    def full(self) -> bool:
        return self._buffered >= BUFFER

    def write(self, due: Sequence[Due]) -> int:
        """Online, as far as they are newer than what is there; returns how many. Raises UnreachableError: write them again."""
        now, count = utc_now(), 0
        for each in due:
            fault.point("stream.write")
            for view in self._targets[each.view.name]:
                self._store.write(self._owner, view, each.newest, now)
            count += each.newest.num_rows
        fault.point("stream.written")
        return count

    def keep(self, due: Sequence[Due], set_aside: Sequence[Poison]) -> None:
        """For the next `flush`; after `write`."""
        for each in due:
            if each.view.pushed and each.rows.num_rows:
                self._rows.setdefault(each.view.name, []).append(each.rows)
                self._buffered += each.rows.num_rows
        self._poison += set_aside
        self._buffered += len(set_aside)

    def flush(self) -> None:
        """Everything that was kept is under the root afterwards. Safe to repeat."""
        now = utc_now()
        for name, tables in self._rows.items():
            view = self._targets[name][0]
            append(self._storage, self._owner, view, _latest(view, tables), now, self._cadence)
        fault.point("stream.kept")
        poison.keep(self._storage, self._owner, self._poison)
        self.forget()

    def forget(self) -> None:
        """What was kept is somebody else's to write."""
        self._rows, self._poison, self._buffered = {}, [], 0


def _latest(view: View, tables: Sequence[pa.Table]) -> pa.Table:
    """Of rows of one key and event time the last; of a view whose rows arrive late, of each arrival."""
    rows = pa.concat_tables(tables)
    unique = quoted(*view.keys, EVENT, *([CREATED] if view.created else []))
    with open_session() as connection:
        connection.register("rows", rows)
        order = f"{CREATED} DESC, __place DESC"
        return connection.sql(
            f"SELECT * EXCLUDE __place FROM (SELECT *, row_number() OVER () AS __place FROM rows) "
            f"QUALIFY row_number() OVER (PARTITION BY {unique} ORDER BY {order}) = 1"
        ).to_arrow_table()
