"""A Feast view's rows for the point-in-time join: published partitions, or any Parquet files, local or on S3."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from glob import glob
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.fs as pafs
from feast import FeatureView, FileSource, RepoConfig
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID

from include.backends.feast.repo import SCHEME, view_of
from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.partition import BEGINNING, END_OF_TIME
from include.core.settings import Settings
from include.core.time import MICROSECOND
from include.data.published import published_within
from include.data.sql import quoted
from include.features.offline.parquet import columns, read, utc
from include.point_in_time.join import CREATED, EVENT, Output, Side, empty
from include.point_in_time.partition import daily_files

FAMILIES = {
    "Int32": "number", "Int64": "number", "Float32": "number", "Float64": "number",
    "String": "text", "Bool": "truth", "UnixTimestamp": "time",
}  # fmt: skip

Between = tuple[datetime | None, datetime | None]  # UTC, None for open


@dataclass(frozen=True)
class Reader:
    """What reading a source needs: the connection to read by, and a folder for what is fetched."""

    config: RepoConfig
    connection: duckdb.DuckDBPyConnection
    scratch: Path

    def paths(self, source: DataSource, between: Between) -> list[str]:
        """Local files with the source's rows between two times, and maybe others. None where nothing has been published."""
        if not isinstance(source, FileSource):
            raise DataError("The offline store reads Parquet files.", seen=type(source).__name__, hint="use a FileSource.")
        if source.path.startswith(SCHEME):
            return self._published(source, between)
        uri = FileSource.get_uri_for_file_path(self.config.repo_path, source.path)
        found = self._fetched(source, uri) if uri.startswith("s3://") else local_files(uri)
        if not found:
            raise DataError(f"There is no Parquet file at {uri}.", seen=source.name, hint="check the path of the view's source.")
        return found

    def _published(self, source: DataSource, between: Between) -> list[str]:
        (model, _, view), (first, last) = source.name.partition("."), between
        store = self.config.offline_store
        between = (first or BEGINNING, last + MICROSECOND if last and last < END_OF_TIME else END_OF_TIME)
        refs = published_within(ControlStore(store.control_url), model, *between)
        ledger = Ledger(Settings(root=store.root).storage())
        by_day = {day.name: ref for day, ref in refs.items()}
        return daily_files(ledger, by_day, self.scratch, [view]).get(view, [])

    def _fetched(self, source: FileSource, uri: str) -> list[str]:
        """Copies in the scratch folder, by their paths below the bucket: each object is downloaded once."""
        system, base = FileSource.create_filesystem_and_path(uri, source.s3_endpoint_override or "", source.resolve_credentials())
        if system is None:
            raise DataError("No file system for the view's source.", seen=uri)
        info = system.get_file_info(base)
        if info.type == pafs.FileType.NotFound:
            return []
        folder = self.scratch / "s3" / base if info.type == pafs.FileType.Directory else (self.scratch / "s3" / base).parent
        folder.mkdir(parents=True, exist_ok=True)
        target = folder if info.type == pafs.FileType.Directory else folder / info.base_name
        pafs.copy_files(base, str(target), source_filesystem=system, destination_filesystem=pafs.LocalFileSystem())
        return local_files(str(target))


def local_files(path: str) -> list[str]:
    """The Parquet files of a file, a folder (but those whose name below it begins with `_` or `.`) or a pattern, sorted."""
    if Path(path).is_dir():
        below = (each for each in Path(path).rglob("*.parquet") if each.is_file())
        return sorted(str(each) for each in below if not _hidden(each.relative_to(path)))
    return [path] if Path(path).is_file() else sorted(each for each in glob(path, recursive=True) if Path(each).is_file())


def _hidden(path: Path) -> bool:
    """What writers leave beside their data (`_temporary/`, `.ipynb_checkpoints/`), by the rule of Spark and Arrow."""
    return any(part.startswith(("_", ".")) for part in path.parts)


def side_of(
    reader: Reader, table: FeatureView, features: list[str], names: list[str], between: tuple[datetime, datetime]
) -> Side:
    """The side of one view: its `features` under the `names` of the result, its keys under those of the entity rows.

    Raises DataError if the files have not the columns that the view declares, or other types.
    """
    source: Any = table.batch_source
    keys = [str(key) for key in table.join_keys if key != DUMMY_ENTITY_ID]
    asked = tuple(table.projection.join_key_map.get(key, key) for key in keys)
    outputs = tuple(Output(name, f"feature_{n}") for n, name in enumerate(names))
    renames = [*zip(keys, asked, strict=True), *((name, out.column) for name, out in zip(features, outputs, strict=True))]
    ttl = table.ttl or None  # Feast's zero is for ever
    paths = reader.paths(source, (between[0] - ttl if ttl else None, between[1]))
    created = source.created_timestamp_column
    select = _of_files(reader, table, paths, features) if paths else _of_none(table, bool(created))
    times = [EVENT, *([CREATED] if created else [])]
    selected = [*times, *(f'"{old}" AS "{new}"' for old, new in renames)]
    return Side(shown(table), f"(SELECT {', '.join(selected)} FROM ({select}))", asked, outputs, ttl, bool(created))


def shown(table: FeatureView) -> str:
    """The name by which features are asked for: the view's, or its alias."""
    name: str = table.projection.name_to_use()  # type: ignore[no-untyped-call]
    return name


def _of_none(table: FeatureView, created: bool) -> str:
    """SQL of the view's columns without rows: nothing has been published."""
    return empty(view_of(table).model_copy(update={"created": CREATED if created else None}))


def _of_files(reader: Reader, table: FeatureView, paths: list[str], features: list[str]) -> str:
    """SQL of the files' rows under the view's names, times in UTC."""
    source: Any = table.batch_source
    theirs = {ours: column for column, ours in source.field_mapping.items()}  # the view's name to the files'
    keys = [str(key) for key in table.join_keys if key != DUMMY_ENTITY_ID]
    families = {str(field.name): FAMILIES.get(str(field.dtype), "") for field in table.features}
    times: dict[str, str] = {source.timestamp_field: EVENT}
    if source.created_timestamp_column:
        times[source.created_timestamp_column] = CREATED
    wanted = dict.fromkeys(times, "time") | {name: families.get(name, "") for name in features}
    what = f"view {table.name!r}"
    of_keys = {str(field.name): FAMILIES.get(str(field.dtype), "") for field in table.entity_columns}
    asked = {theirs.get(key, key): "" for key in keys} | {theirs.get(name, name): kind for name, kind in wanted.items()}
    found = columns(reader.connection, paths, asked, what)
    # A key is compared as it comes; only where a folder gives it does the view's type say what its text is.
    asked |= {theirs.get(key, key): of_keys.get(key, "") for key in keys}
    selected = [f'"{theirs.get(name, name)}" AS "{name}"' for name in (*keys, *features)]
    for name, meaning in times.items():
        column = theirs.get(name, name)
        selected.append(f"{utc(quoted(column), found[column])} AS {meaning}")
    return f"SELECT {', '.join(selected)} FROM {read(paths, asked)}"
