"""Raw partitions: `raw/{model}/{source}/date=YYYY-MM-DD/part.parquet` under the storage root.

Those of another length than a day are in folders that Hive, and so every warehouse, reads as their columns:
`date=YYYY-MM-DD/time=HHMM/part.parquet`, `week=YYYY-Www/part.parquet` (include/core/partition.py).
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import pyarrow.parquet as pq
from pyarrow.lib import ArrowException

from include.core.digest import digest_bytes, digest_file
from include.core.errors import DataError, IntegrityError, NotReadyError
from include.core.partition import DAILY, Cadence, Partition
from include.core.spec import PartitionOwner
from include.core.storage import Storage
from include.data.pages import damage

_FOLDERS = re.compile(r"(?:date=(\d{4}-\d{2}-\d{2})(?:/time=(\d{2})(\d{2}))?|week=(\d{4}-W\d{2}))/part\.parquet", re.ASCII)
log = logging.getLogger(__name__)

_NO_ROWS = "land it again with its rows; where a day may have none, the spec says so: data.empty_days."


def _without_rows(path: Path) -> bool:
    """Whether it is whole Parquet that holds none."""
    try:
        return bool(pq.read_metadata(path).num_rows == 0)
    except (ArrowException, OSError):
        return False


@dataclass(frozen=True)
class RawPartitions:
    """What has arrived for one model. Somebody else writes them; we check what we read."""

    storage: Storage
    model: str
    empty_days: bool = False  # whether a partition without rows is read, as a day without rows
    cadence: Cadence = DAILY

    @classmethod
    def of(cls, storage: Storage, spec: PartitionOwner) -> Self:
        """As the spec cuts them."""
        return cls(storage, spec.name, spec.data.empty_days, spec.data.cadence)

    def path(self, source: str, day: Partition | date) -> str:
        return f"raw/{self.model}/{source}/{Partition.of(day).path}/part.parquet"

    def exists(self, source: str, day: Partition | date) -> bool:
        return self.storage.exists(self.path(source, day))

    def digest(self, source: str, day: Partition | date) -> str:
        """SHA-256 of the partition's bytes. Raises NotReadyError if it has not arrived."""
        try:
            return digest_bytes(self.storage.read(self.path(source, day)))
        except FileNotFoundError as error:
            raise NotReadyError(
                f"The {source} partition of {day} has not arrived.",
                seen=self.storage.uri(self.path(source, day)),
                hint="land it there; the sensor and the retries wait for it.",
            ) from error
        except IsADirectoryError as error:
            raise DataError(
                f"The {source} partition of {day} is a folder, and one file is expected there.",
                seen=self.storage.uri(self.path(source, day)),
                safe="nothing was read; the published partition stays.",
                hint="write the day's rows as one Parquet file under that name, then clear the task.",
            ) from error

    def digests(self, source: str, first: Partition | date, last: Partition | date) -> dict[str, str]:
        """`{partition: digest}` of what is there between two partitions, both included."""
        wanted = self.cadence.between(first, last)
        return {each.name: self.digest(source, each) for each in wanted if self.exists(source, each)}

    def days(self, source: str) -> list[Partition]:
        """The partitions present, oldest first. A file anywhere else under the source is none: it is logged, and left out."""
        folder = f"raw/{self.model}/{source}/"
        found, unexpected = [], []
        for path in self.storage.list(folder.rstrip("/")):
            day = self.partition_of(path.removeprefix(folder))
            found.append(day) if day else unexpected.append(path)
        if unexpected:
            log.warning("%d files under %s are no %s's partition and are passed over, such as %s; a %s's is %s/part.parquet",
                        len(unexpected), self.storage.uri(folder), self.cadence.words, unexpected[0], self.cadence.words,
                        self.cadence.folder)  # fmt: skip
        return sorted(found)

    def partition_of(self, name: str) -> Partition | None:
        """Of a file's path below its source; None for any other file, and for one of another cadence."""
        match = _FOLDERS.fullmatch(name)
        if match is None:
            return None
        day, hour, minute, week = match.groups()
        try:
            return self.cadence.parse(week or (f"{day}T{hour}:{minute}" if hour else day))
        except DataError:  # one that no calendar has, or not this one's
            return None

    def fetch(self, source: str, day: Partition | date, digest: str, scratch: Path) -> Path:
        """A local file of the partition, checked to be the bytes of `digest` and whole Parquet, with rows unless `empty_days`.

        Raises DataError (gone, empty, truncated) and IntegrityError (changed since the request was made).
        """
        uri = self.storage.uri(self.path(source, day))
        folder = scratch / source / day.isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            local = self.storage.fetch(self.path(source, day), folder)
        except FileNotFoundError as error:
            raise DataError(f"The {source} partition of {day} is missing.", seen=uri, hint="land it again.") from error
        seen = digest_file(local)
        if seen != digest:
            raise IntegrityError(
                f"The {source} partition of {day} changed after this run had read its digest {digest[:12]}.",
                seen=seen[:12],
                safe="nothing was computed; the published partition stays.",
                hint="clear the run from its first task: it takes the new bytes.",
            )
        if not (self.empty_days and _without_rows(local)):
            check_readable(local, f"The {source} partition of {day}")
        return local


def check_readable(path: Path, what: str) -> None:
    """Raises DataError if the file is empty, truncated, encrypted or damaged, has no rows, or two columns of one name."""
    size = path.stat().st_size
    try:
        metadata = pq.read_metadata(path)
        rows, names = metadata.num_rows, metadata.schema.to_arrow_schema().names
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        state = "is empty (0 bytes)" if size == 0 else f"is not whole Parquet: its footer cannot be read ({size} bytes)"
        if "encrypted" in str(error):
            state = "is encrypted, and we have no key"
        raise DataError(
            f"{what} {state}.",
            seen=str(error)[:200],
            safe="the published partition stays.",
            hint=f"write {path} again, whole, then clear the task.",
        ) from error
    check_names(names, what)
    if wrong := damage(path, metadata):
        raise DataError(
            f"{what} cannot be read: {wrong}.",
            seen=str(path),
            safe="nothing was read from it; the published partition stays.",
            hint=f"write {path} again, whole, then clear the task.",
        )
    if rows == 0:
        raise DataError(
            f"{what} has no rows.",
            seen=str(path),
            safe="the published partition stays.",
            hint=_NO_ROWS,
        )


def check_names(names: Sequence[str], what: str) -> None:
    """Raises DataError for two columns of one name: SQL knows no difference between `x` and `X`."""
    count = Counter(name.lower() for name in names)
    twice = [name for name in names if count[name.lower()] > 1]
    if twice:
        raise DataError(
            f"{what} has {len(twice)} columns that are one name to SQL: {', '.join(map(repr, twice))}.",
            seen=list(names),
            safe="nothing was read from it; the published partition stays.",
            hint="write the partition again with a name of its own for each column, then clear the task.",
        )
