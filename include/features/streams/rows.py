"""The rows of one view that an evaluation gave: which of them are new, which are due, and what of them was written.

known.{view}    the view's columns; the newest stamp of what a row was made of; whether it was written as it stands
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import pyarrow as pa

from include.core.partition import Partition
from include.core.spec import View
from include.data.sql import literal, quoted
from include.features.offline.dataset import Dataset, of_view
from include.features.streams.state import ABOUT
from include.online_store.row_codec import CREATED

EVENT = "event_timestamp"


class KnownRows:
    """`key`: the view's key that topics are partitioned by; empty where one reader sees everything."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, view: View, key: str) -> None:
        self._connection, self.view, self._key = connection, view, key
        self.dataset: Dataset = of_view(view)
        self._table = f'known."{view.name}"'
        self._made = False
        its = " AND part = __part" if key else ""
        upto = f"\"{self.dataset.time}\" <= coalesce((SELECT max(upto) FROM temp._marks WHERE true{its}), TIMESTAMP '0001-01-01')"
        self._due = f"WHERE NOT __sent AND {upto}"

    def replace(self, own: Partition) -> None:
        """`temp._result` is what the partition's SQL gives for the touched keys now. Rows from before they were touched stay."""
        if not self._made:
            self._make()
        run, data = self._connection.execute, self.dataset
        features = [name for name in data.columns if name not in data.unique]
        same = " AND ".join(["old.__sent IS NOT NULL", *(f'old."{n}" IS NOT DISTINCT FROM new."{n}"' for n in features)])
        its = f'new."{self._key}" = about.key' if self._key else "TRUE"
        keys = " AND ".join(f'old."{name}" = new."{name}"' for name in data.unique)
        run(f"""
            CREATE OR REPLACE TEMP TABLE _fresh AS
            SELECT {", ".join(f'new."{name}"' for name in data.columns)}, about.key AS __key, about.part AS __part,
                CASE WHEN {same} THEN old.__stamp ELSE about.stamp END AS __stamp,
                ({same}) AND old.__sent AS __sent,
                CASE WHEN {same} THEN old.__again ELSE coalesce(old.__sent OR old.__again, false) END AS __again
            FROM temp._result AS new JOIN {ABOUT} AS about ON {its} AND new."{data.time}" >= about.since
            LEFT JOIN {self._table} AS old ON {keys}""")
        start, end = literal(own.start), literal(own.end)
        run(f"""
            DELETE FROM {self._table} AS known USING {ABOUT} AS about WHERE known.__key = about.key
            AND known."{data.time}" >= about.since AND known."{data.time}" >= {start}
            AND known."{data.time}" < {end}""")
        run(f"INSERT INTO {self._table} BY NAME FROM temp._fresh")

    def due(self) -> tuple[pa.Table, pa.Table] | None:
        """Rows that are not written as they stand, up to their partition's mark: the newest of each key; and, of a view whose
        rows are kept, all of them. Each with `created_timestamp`. None where there are none."""
        if not self._made:
            return None
        data = self.dataset
        stamp = "make_timestamp(__stamp)"
        if self.view.created:  # the definition's own, unless other values went out under it
            own = f'"{self.view.created}"'
            stamp = f"CASE WHEN __again THEN greatest({own} + INTERVAL 1 MICROSECOND, {stamp}) ELSE {own} END"
        columns = quoted(*self.view.keys, EVENT, *(f.name for f in self.view.features))
        waiting = f"FROM {self._table} {self._due}"
        newest = self._connection.sql(
            f"SELECT {columns}, {stamp} AS {CREATED} {waiting} QUALIFY row_number() OVER (PARTITION BY {quoted(*self.view.keys)} "
            f"ORDER BY {EVENT} DESC, {CREATED} DESC, __stamp DESC) = 1"
        ).to_arrow_table()
        if not newest.num_rows:
            return None
        # What a process before us has kept is not kept again.
        its = "WHERE part = __part" if self._key else ""
        kept = f'__stamp <= min(stamp) AND "{data.time}" <= min(watermark)'
        new = f"NOT coalesce((SELECT {kept} FROM temp._logged {its}), false)"
        everything = f"SELECT {columns}, {stamp} AS {CREATED} {waiting} AND {new}"
        return newest, self._connection.sql(everything).to_arrow_table() if self.view.pushed else newest.slice(0, 0)

    def written(self) -> None:
        if self._made:
            self._connection.execute(f"UPDATE {self._table} SET __sent = true {self._due}")

    def forget(self, before: int) -> None:
        """Drop written rows before a moment (microseconds), which no event can touch any more."""
        if self._made:
            self._connection.execute(
                f'DELETE FROM {self._table} WHERE __sent AND "{self.dataset.time}" < make_timestamp({before}::BIGINT)'
            )

    def drop(self, parts: Collection[int]) -> None:
        """Forget the rows of these partitions; all where one reader sees everything."""
        if self._made and parts:
            among = f"__part IN ({', '.join(map(str, sorted(parts)))})" if self._key else "TRUE"
            self._connection.execute(f"DELETE FROM {self._table} WHERE {among}")

    def _make(self) -> None:
        """With the columns that the first result has."""
        own = "''::VARCHAR AS __key, 0::INTEGER AS __part, 0::BIGINT AS __stamp, false AS __sent, false AS __again"
        self._connection.execute(f"CREATE TABLE {self._table} AS SELECT *, {own} FROM temp._result WHERE false")
        self._made = True
