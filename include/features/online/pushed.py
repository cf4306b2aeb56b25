"""Pushed rows, kept: the offline log of a view whose rows come by push, so that training sees what serving saw.

    pushed/{model}/{view}/date=YYYY-MM-DD/{digest}.parquet    immutable, named by its content; the day the rows belong to

Of partitions of another length in their folders, as raw ones (include/core/partition.py).

A view asks for it by `pushed=True`. The day's `features` step publishes the rows with those of its SQL; where both have
the same keys and event time, the SQL's stands.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.digest import digest_bytes, digest_file
from include.core.errors import IntegrityError
from include.core.partition import DAILY, Cadence, Partition
from include.core.spec import View
from include.core.storage import Storage
from include.core.time import from_microseconds, microseconds
from include.data.sql import parquet, quoted
from include.data.sql_types import key_text
from include.online_store.layout import Layout
from include.online_store.row_codec import CREATED, pack
from include.online_store.store import RowWriter

EVENT = "event_timestamp"


class LoggedWriter:
    """Writes online, and keeps the rows of such views offline first: those refused there are written nowhere."""

    def __init__(self, store: RowWriter, storage: Storage, cadence_of: Callable[[str], Cadence] = lambda _: DAILY) -> None:
        """`cadence_of`: the cadence of a model."""
        self._store, self._storage, self._cadence_of = store, storage, cadence_of

    def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        """As `RowWriter.write`; raises what the storage raises, too."""
        if view.pushed:
            pack(Layout.of(model, view), rows, created)  # what the online store would refuse is not kept either
            append(self._storage, model, view, rows, created, self._cadence_of(model))
        return self._store.write(model, view, rows, created)


def append(storage: Storage, model: str, view: View, rows: pa.Table, created: datetime, cadence: Cadence = DAILY) -> list[str]:
    """Keep rows (keys, event_timestamp, features); each was created at `created` unless it says otherwise. Returns the paths.

    The same rows of the same moment are kept once, however often they are sent.
    """
    stamp = pa.array([from_microseconds(microseconds(created))] * rows.num_rows, pa.timestamp("us"))
    if CREATED in rows.column_names:
        stamp = pc.coalesce(rows[CREATED].cast(pa.timestamp("us"), safe=False), stamp)
    names = [*view.keys, EVENT, *(feature.name for feature in view.features)]
    table = rows.select(names).append_column(CREATED, stamp)
    table = table.set_column(len(view.keys), EVENT, rows[EVENT].cast(pa.timestamp("us"), safe=False))
    days, own = _partitions(table[CREATED if view.created else EVENT], cadence)
    paths = []
    for place, day in enumerate(own):
        buffer = io.BytesIO()
        pq.write_table(table.filter(pc.equal(days, place)).sort_by([(name, "ascending") for name in names[:-1]]), buffer)
        paths.append(f"{_folder(view.owner(model), view.name, day)}/{digest_bytes(buffer.getvalue())}.parquet")
        storage.create(paths[-1], buffer.getvalue())
    return paths


def _partitions(times: pa.ChunkedArray, cadence: Cadence) -> tuple[pa.ChunkedArray, list[Partition]]:
    """The partitions of some times, and for each time the place of its own among them."""
    seconds = pc.floor_temporal(times, unit="second")  # no partition begins within one
    found = {second: cadence.at(second) for second in pc.unique(seconds).to_pylist()}
    own = list(dict.fromkeys(found.values()))
    places = {partition: place for place, partition in enumerate(own)}
    of_seconds = pa.array([places[found[second]] for second in found])
    return of_seconds.take(pc.index_in(seconds, pa.array(list(found), seconds.type))), own


def pushed(storage: Storage, model: str, view: View, day: Partition) -> list[str]:
    """Names of the files with a day's pushed rows, sorted: they are digests, and go into the day's request."""
    return sorted(Path(path).stem for path in storage.list(_folder(view.owner(model), view.name, day)))


def fetch(
    storage: Storage, model: str, day: Partition, names: Mapping[str, Sequence[str]], scratch: Path
) -> dict[str, list[str]]:
    """Local files by view. Raises IntegrityError for one whose bytes are not those of its name."""
    found: dict[str, list[str]] = {}
    for view, digests in names.items():
        folder = scratch / view
        folder.mkdir(parents=True, exist_ok=True)
        for digest in digests:
            local = storage.fetch(f"{_folder(model, view, day)}/{digest}.parquet", folder)
            if digest_file(local) != digest:
                raise IntegrityError(f"A file of pushed rows of {view} does not match its digest.", seen=str(local))
            found.setdefault(view, []).append(str(local))
    return found


def merged(view: View, sql: str, files: Sequence[str]) -> str:
    """The SQL's rows and, of the pushed ones, the last of each key and event time that it does not give."""
    if not files:
        return sql
    unique = quoted(*view.keys, EVENT)
    texts = ", ".join(f'{key_text(key)} AS "{key}"' for key in view.keys)
    if texts:  # as both write them: the same key is one text
        sql = f"SELECT * REPLACE ({texts}) FROM ({sql})"
    features = quoted(*(feature.name for feature in view.features))
    created = f', {CREATED} AS "{view.created}"' if view.created else ""
    return f"""
        SELECT * FROM ({sql}) UNION ALL BY NAME
        SELECT {unique}, {features}{created} FROM (
            SELECT *{f" REPLACE ({texts})" if texts else ""} FROM {parquet(files)}
            QUALIFY row_number() OVER (PARTITION BY {unique} ORDER BY {CREATED} DESC, {features}) = 1
        ) ANTI JOIN ({sql}) USING ({unique})"""


def _folder(model: str, view: str, day: Partition | date) -> str:
    return f"pushed/{model}/{view}/{Partition.of(day).path}"
