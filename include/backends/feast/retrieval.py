"""A retrieval job that runs when its result is asked for, batch by batch: to Arrow, to pandas, or straight to Parquet."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from feast import FileSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.saved_dataset import SavedDatasetStorage

from include.core.errors import DataError
from include.data.sql import copy

ROW = "slipstream_row"  # the place of an entity row in the frame it came in


@dataclass(frozen=True)
class Batches:
    """One batch after the other: its rows, or the SQL of them, to be run before the next is asked for.

    With `asked` (the entity rows as they came) a batch is ROW and the features; else all columns. `found`: the
    features are there already, in the order of `asked`.
    """

    connection: duckdb.DuckDBPyConnection
    parts: Iterator[str | pa.Table]
    asked: pa.Table | None = None
    found: Sequence[pa.Table] | None = None

    def tables(self) -> Iterator[pa.Table]:
        """Each batch with all its columns."""
        if self.asked is not None and self.found is not None:
            return iter([beside(self.asked, self.found)])
        return (self.whole(self._rows(part)) for part in self.parts)

    def ordered(self) -> pa.Table:
        """All of them, in the order of the entity rows."""
        if self.found is not None:
            return next(self.tables())
        return self.whole(pa.concat_tables(map(self._rows, self.parts)))

    def write(self, part: str | pa.Table, path: Path) -> None:
        """A batch of all columns as a Parquet file."""
        if not isinstance(part, str):
            self.connection.register("part", part)
            part = "FROM part"
        self.connection.execute(copy(part, path, options=""))

    def whole(self, table: pa.Table) -> pa.Table:
        """In the order of the entity rows, their own columns, exactly as they came, before the features."""
        if self.asked is None:
            return table
        table = table.take(pc.sort_indices(table[ROW]))
        return beside(self.asked.take(table[ROW]), [table.drop_columns(ROW)])

    def _rows(self, part: str | pa.Table) -> pa.Table:
        return self.connection.sql(part).to_arrow_table() if isinstance(part, str) else part


def beside(rows: pa.Table, further: Sequence[pa.Table]) -> pa.Table:
    """One table of the columns of several."""
    for table in further:
        for name in table.column_names:
            rows = rows.append_column(name, table[name])
    return rows


class BatchJob(RetrievalJob):
    """`run` opens the batches. Rows come back in the order of a frame's rows; a query's in order of time."""

    def __init__(
        self,
        run: Callable[[], AbstractContextManager[Batches]],
        full_names: bool = False,
        transforms: Sequence[Any] = (),
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._run, self._full_names, self._transforms, self._metadata = run, full_names, list(transforms), metadata

    def batches(self) -> Iterator[pa.Table]:
        """The rows, some hundred thousand at once, with their on-demand features; batch after batch in order of time."""
        with self._run() as batches:
            for table in batches.tables():
                yield self._transformed(table)

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the rows as Parquet, local or on S3: one file if the path ends in .parquet, else a folder of parts.

        Memory holds a batch at a time. A local file or folder appears whole or not at all.
        """
        del timeout
        if not isinstance(storage, SavedDatasetFileStorage):
            raise DataError("The offline store saves data sets as Parquet files.", seen=type(storage).__name__)
        options = storage.file_options
        system, target = FileSource.create_filesystem_and_path(options.uri, options.s3_endpoint_override)
        there = Path(target).exists() if system is None else system.get_file_info(target).type != pafs.FileType.NotFound
        if there and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=options.uri)
        with _scratch_beside(target) if system is None else tempfile.TemporaryDirectory() as scratch:
            whole = self._write(Path(scratch) / "parts", single=target.endswith(".parquet"))
            if system is None:
                _replace(whole, Path(target))
            else:
                pafs.copy_files(str(whole), target, destination_filesystem=system)

    def _write(self, folder: Path, single: bool) -> Path:
        folder.mkdir()
        parts = list(self._parts(folder))
        if not single:
            return folder
        return parts[0] if len(parts) == 1 else _merged(parts, folder / "whole")

    def _parts(self, folder: Path) -> Iterator[Path]:
        with self._run() as batches:
            straight = batches.asked is None and not self._transforms
            for n, part in enumerate(batches.parts if straight else batches.tables()):
                path = folder / f"part-{n:05d}.parquet"
                if straight:
                    batches.write(part, path)
                else:
                    pq.write_table(self._transformed(part), path)
                yield path

    def _transformed(self, table: pa.Table) -> pa.Table:
        return Ready(table, self._full_names, self._transforms, self._metadata).to_arrow() if self._transforms else table

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        del timeout
        with self._run() as batches:
            return batches.ordered()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame

    @property
    def full_feature_names(self) -> bool:
        return self._full_names

    @property
    def on_demand_feature_views(self) -> list[Any]:
        return self._transforms

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata


class Ready(BatchJob):
    """A table that is there already: Feast's own to_arrow adds the on-demand features to it."""

    def __init__(self, table: pa.Table, full_names: bool, transforms: Sequence[Any], metadata: RetrievalMetadata | None) -> None:
        self._table = table
        super().__init__(self._never, full_names, transforms, metadata)

    @staticmethod
    def _never() -> AbstractContextManager[Batches]:
        raise AssertionError("the table is there already")

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        del timeout
        return self._table


def _scratch_beside(target: str) -> tempfile.TemporaryDirectory[str]:
    """A folder on the target's own file system, so that a rename publishes what is in it."""
    parent = Path(target).absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=".tmp-", dir=parent)


def _replace(whole: Path, target: Path) -> None:
    """Publish a file or a folder under its name. A folder in the way is moved aside first, then removed."""
    aside = whole.parent.parent / f"aside-{uuid.uuid4().hex}" if whole.is_file() else whole.parent / "aside"
    if target.is_dir():
        target.rename(aside)
    whole.replace(target)
    shutil.rmtree(aside, ignore_errors=True)


def _merged(parts: Sequence[Path], path: Path) -> Path:
    """One file of the parts' row groups, read and written one at a time."""
    with pq.ParquetWriter(path, pq.read_schema(parts[0])) as writer:
        for part in parts:
            file = pq.ParquetFile(part)
            for n in range(file.num_row_groups):
                writer.write_table(file.read_row_group(n))
    return path
