"""The subjects that were forgotten, so that they do not come back: raw partitions that land again are held against the list.

    forgetting/{request}/request.json    the digests of a subject's keys under the installation's key, and until when it counts

A partition that began before the request was made may hold the subject once more: somebody's copy was landed again. Its rows are
taken out before anything reads it. What began later is new, and stays. Without a list it costs one listing of an empty folder.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.core import fault
from include.core.digest import digest_bytes
from include.core.entity_key import entity_key
from include.core.forgotten import Forgotten, keep_raw
from include.core.partition import Partition
from include.core.settings import Settings
from include.core.spec import PartitionOwner
from include.core.storage import Storage
from include.core.subject import Fingerprint, Subject
from include.core.time import instant, timestamp
from include.core.versioned import Format
from include.data.raw import RawPartitions
from include.data.subject_rows import Columns, masked, rows_of, without, written

log = logging.getLogger(__name__)
FOLDER = "forgetting"
REMOVE, MASK = "remove", "mask"
CLOCKS = timedelta(hours=1)  # by which the storage's clock and the machines' may differ
REQUEST = "request.json"
FORMAT = Format("a request to forget")


@dataclass(frozen=True)
class Suppressed:
    """A subject that was forgotten. `until`: UTC, without zone: partitions that began before it are held against it; those that
    were written since `began` (with its zone)."""

    request: str
    owners: frozenset[str]
    keys: Mapping[str, str]
    until: datetime
    began: datetime
    mode: str
    ids: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Suppressed:
        until, began = datetime.fromisoformat(value["until"]), instant(value["began"])
        owners, ids = frozenset(value["owners"]), frozenset(value.get("ids", ()))
        return cls(value["request"], owners, value["keys"], until, began, value["mode"], ids)


def suppressed(storage: Storage) -> Iterator[Suppressed]:
    """Everybody on the list."""
    for path in storage.list(FOLDER):
        if path.endswith(f"/{REQUEST}"):
            yield Suppressed.from_json(FORMAT.read(json.loads(storage.read(path)), storage.uri(path)))


def suppress(spec: PartitionOwner, storage: Storage, days: Iterable[Partition | date], settings: Settings) -> int:
    """Take the rows of forgotten subjects out of the raw partitions that some days read and that are there; how many.

    Doing it again finds nothing. A partition that cannot be read is left: whoever reads it says so.
    """
    everybody = [each for each in suppressed(storage) if spec.name in each.owners]
    if not everybody:
        return 0
    prints = Fingerprint(entity_key(settings.home, settings.environ))
    raw, since = RawPartitions.of(storage, spec), min(each.began for each in everybody) - CLOCKS
    sources = [source for source in spec.data.sources if source not in spec.data.impersonal_sources]
    read = {each for day in days for each in spec.data.lookback(day)}
    places = {raw.path(source, each): each for each in read for source in sources}
    count = 0
    for source in sources:
        for path, changed in list(storage.changed(f"raw/{spec.name}/{source}")):
            if path in places and changed >= since:  # what lies there for longer was gone through by the request itself
                wanted = [each for each in everybody if places[path].start < each.until]
                count += _suppress(spec, storage, path, wanted, prints) if wanted else 0
    return count


def _suppress(spec: PartitionOwner, storage: Storage, path: str, wanted: list[Suppressed], prints: Fingerprint) -> int:
    """One after the other, in the order in which they were forgotten: a partition that lands again as it was comes out as it
    did."""
    count = 0
    for each in sorted(wanted, key=lambda one: one.began):
        subject = Subject(prints, each.keys, set(each.ids), by_id=each.mode == REMOVE)
        columns = Columns.of(spec.name, each.keys, spec.data.subject_columns, raw=True)
        try:
            mark = rewrite_raw(storage, path, columns, subject, each.request, each.mode)
        except (FileNotFoundError, IsADirectoryError, pa.ArrowException, OSError, ValueError):
            return count
        count += mark.rows if mark is not None else 0
    if count:
        log.warning("%d rows of subjects that were forgotten had landed again in %s: they were taken out", count, path)
    return count


def rewrite_raw(storage: Storage, path: str, columns: Columns, subject: Subject, request: str, mode: str) -> Forgotten | None:
    """A raw partition without the subject. None where it holds none of its rows.

    The mark goes first: a partition whose digest is the one before or the one after is accounted for.
    """
    if (made := marked(storage, path, columns, subject, request, mode)) is None:
        return None
    mark, left = made
    fault.point("forget.raw.marked")
    storage.write(path, left)
    fault.point("forget.raw.written")
    return mark


def marked(
    storage: Storage, path: str, columns: Columns, subject: Subject, request: str, mode: str
) -> tuple[Forgotten, bytes] | None:
    """What is left of a file without the subject, and the mark that says so, which is kept by now: the file itself is as it was.
    None where it holds none of the subject's rows."""
    data = storage.read(path)
    if (made := rewritten(data, columns, subject, mode)) is None:
        return None
    left, count = made
    mark = Forgotten(request, digest_bytes(data), digest_bytes(left), count, timestamp(), path)
    keep_raw(storage, mark)
    return mark, left


def rewritten(data: bytes, columns: Columns, subject: Subject, mode: str) -> tuple[bytes, int] | None:
    """A file of Parquet without the subject, and how many rows that concerned; None where it holds none."""
    with pq.ParquetFile(io.BytesIO(data)) as file:
        table, metadata = file.read(), file.metadata
    mask = rows_of(table, columns, subject)
    if mask is None or not (count := mask.true_count):
        return None
    left = without(table, mask) if mode == REMOVE else masked(table, mask, columns, subject)
    return written(left, metadata), count
