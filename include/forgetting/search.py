"""A search for texts in everything that an installation has on disk and in its stores: what is packed is unpacked first.

Parquet is read cell by cell, whatever its encoding and compression; SQLite row by row; gzip, zstd and zip are opened; JSON is
looked at with its escapes undone. Whatever a file is, its bytes are looked at too.
"""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from include.core.control import ControlStore, metadata
from include.core.keys import key_text
from include.core.snapshot import snapshot
from include.core.storage import Storage
from include.core.versioned_column import VersionedJson
from include.online_store.store import OnlineStore

DEEP = 4  # packings within packings
SQLITE = b"SQLite format 3\0"
GZIP, ZSTD, ZIP, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1"


@dataclass(frozen=True)
class Hit:
    """A place where one of the texts was found."""

    place: str
    how: str


@dataclass(frozen=True)
class Wanted:
    """Texts, in every form in which a file may hold them."""

    texts: tuple[str, ...]
    forms: tuple[bytes, ...]
    numbers: frozenset[float]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Wanted:
        found = tuple(dict.fromkeys(texts))
        forms: dict[bytes, None] = {}
        for text in found:
            for form in ("NFC", "NFD"):
                written = unicodedata.normalize(form, text)
                for each in (written, json.dumps(written)[1:-1], quote(written), quote(written, safe="")):
                    forms[each.encode(errors="surrogatepass")] = None
                forms[written.encode("utf-16-le", errors="surrogatepass")] = None
        return cls(found, tuple(forms), frozenset(number for text in found if (number := _number(text)) is not None))

    def in_bytes(self, data: bytes) -> bool:
        return any(form in data for form in self.forms)

    def in_cell(self, value: Any) -> bool:
        """Whether a value of a table, or anything in it, is one of the texts or holds one."""
        if isinstance(value, dict):
            return any(self.in_cell(each) for pair in value.items() for each in pair)
        if isinstance(value, list | tuple):
            return any(map(self.in_cell, value))
        if isinstance(value, bytes):
            return self.in_bytes(value)
        if isinstance(value, str):
            return self.in_bytes(value.encode(errors="surrogatepass"))
        return isinstance(value, int | float) and not isinstance(value, bool) and float(value) in self.numbers


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def in_storage(storage: Storage, wanted: Wanted, scratch: Path, prefix: str = "") -> Iterator[Hit]:
    """Below a root: names of files, and what is in them."""
    for number, path in enumerate(storage.list(prefix)):
        if wanted.in_bytes(path.encode()):
            yield Hit(path, "its name")
        folder = scratch / str(number % 64)
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # gone since it was listed
            if how := in_file(storage.fetch(path, folder), wanted):
                yield Hit(storage.uri(path), how)


def in_folder(folder: Path, wanted: Wanted, beside: Path | None = None) -> Iterator[Hit]:
    """Below a folder of this machine; `beside`: one that is looked at elsewhere."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not (beside is not None and path.is_relative_to(beside)):
            with suppress(FileNotFoundError, PermissionError):
                if how := in_file(path, wanted):
                    yield Hit(str(path), how)


def in_control(control: ControlStore, wanted: Wanted) -> Iterator[Hit]:
    """In the rows of the control store."""
    with snapshot(control) as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(sa.select(*map(_plain, table.columns))).mappings():
                if wanted.in_cell(dict(row)):
                    yield Hit(f"{table.name} {next(iter(row.values()))}", "a row of the control store")


def _plain(column: sa.Column[Any]) -> Any:
    return sa.type_coerce(column, sa.JSON).label(column.name) if isinstance(column.type, VersionedJson) else column


def in_online(store: OnlineStore, owners: Iterable[str], texts: Iterable[str]) -> Iterator[Hit]:
    """Among the keys of the online store's rows."""
    wanted = {key_text(text) for text in texts}
    for owner in owners:
        found: list[str] = []

        def look(view: str, keys: Iterable[str | None], found: list[str] = found) -> bool:
            if wanted & {key for key in keys if key is not None}:
                found.append(view)
            return False  # nothing is removed

        store.remove(owner, look)
        for view in sorted(set(found)):
            yield Hit(f"{owner}:{view}", f"{found.count(view)} rows online")


def in_file(path: Path, wanted: Wanted) -> str:
    """How a file holds one of the texts; empty where it does not."""
    data = path.read_bytes()
    if data.startswith(SQLITE) and (table := _in_sqlite(path, wanted)):
        return f"table {table}"
    return in_data(data, wanted)


def in_data(data: bytes, wanted: Wanted, depth: int = 0) -> str:
    """The same of bytes."""
    if wanted.in_bytes(data):
        return "as it is"
    if depth < DEEP:
        for kind, packed in _unpacked(data):
            if how := in_data(packed, wanted, depth + 1):
                return f"in {kind}, {how}"
    if data.startswith(PARQUET):
        return _in_parquet(data, wanted)
    return _in_json(data, wanted)


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data.startswith(GZIP):
        with suppress(OSError, EOFError, zlib.error):
            yield "gzip", gzip.decompress(data)
    elif data.startswith(ZSTD):
        with suppress(pa.ArrowException, OSError):
            yield "zstd", pa.input_stream(io.BytesIO(data), compression="zstd").read()
    elif data.startswith(ZIP):
        with (
            suppress(zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError),
            zipfile.ZipFile(io.BytesIO(data)) as archive,
        ):
            for name in archive.namelist():
                yield f"zip, {name}", archive.read(name)


def _in_parquet(data: bytes, wanted: Wanted) -> str:
    try:
        with pq.ParquetFile(io.BytesIO(data)) as file:
            if wanted.in_cell(dict(file.metadata.metadata or {})):
                return "in the metadata of Parquet"
            for batch in file.iter_batches():
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    if any(wanted.in_cell(value) for value in _distinct(column)):
                        return f"column {name}"
    except (pa.ArrowException, OSError, ValueError):
        return ""
    return ""


def _distinct(column: pa.Array) -> list[Any]:
    if pa.types.is_nested(column.type):
        return list(column.to_pylist())
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    with suppress(pa.ArrowException):
        plain = plain.unique()
    return list(plain.to_pylist())


def _in_json(data: bytes, wanted: Wanted) -> str:
    """JSON, or a file of which each line is some; numbers count as they are, whatever they are written like."""
    if data[:1] not in b"{[" or not data:
        return ""
    with suppress(ValueError, UnicodeDecodeError, RecursionError):
        return "in JSON" if wanted.in_cell(json.loads(data)) else ""
    for line in data.splitlines():
        with suppress(ValueError, UnicodeDecodeError, RecursionError):
            if wanted.in_cell(json.loads(line)):
                return "in a line of JSON"
    return ""


def _in_sqlite(path: Path, wanted: Wanted) -> str:
    """A copy is not needed: it is opened to be read alone."""
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        try:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                escaped = table.replace('"', '""')
                for row in connection.execute(f'SELECT * FROM "{escaped}"'):
                    if wanted.in_cell(list(row)) or any(isinstance(cell, bytes) and in_data(cell, wanted, 1) for cell in row):
                        return str(table)
        finally:
            connection.close()
    return ""
