"""The search finds what is planted, however it is packed; where nothing is planted it finds nothing."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import unicodedata
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.documents import DocumentKind
from include.core.storage import LocalStorage
from include.core.versioned import Format
from include.forgetting.search import Wanted, in_control, in_data, in_folder, in_storage
from tests.support.stores import empty_control

TEXT, NUMBER = "Zoë & Quaxel/77", "48151.62342"
WANTED = Wanted.of([TEXT, NUMBER])


def parquet(columns: dict[str, object], **how: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, **how)
    return buffer.getvalue()


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.json", data)
    return buffer.getvalue()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


PLANTED = {
    "plain": f"x {TEXT} y".encode(),
    "its accent as two characters": unicodedata.normalize("NFD", TEXT).encode(),
    "JSON's escapes": json.dumps({"a": [TEXT]}).encode(),
    "a number in JSON": b'{"a": {"b": [1, 4.815162342e4]}}',
    "a line of JSON": b'{"a": 1}\n{"a": 48151.62342}\n',
    "an address": b"GET /x?who=Zo%C3%AB%20%26%20Quaxel%2F77",
    "UTF-16": TEXT.encode("utf-16-le"),
    "gzip": gzip.compress(json.dumps({"a": TEXT}).encode()),
    "zip": zipped(json.dumps({"a": TEXT}).encode()),
    "gzip in zip": zipped(gzip.compress(TEXT.encode())),
    "parquet, dictionary, zstd": parquet({"a": ["x", TEXT] * 100}, use_dictionary=True, compression="zstd"),
    "parquet, delta, gzip": parquet(
        {"a": ["Zoë & Quaxel/76", TEXT]}, use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY", compression="gzip"
    ),
    "parquet, a number, snappy": parquet({"a": [1.0, float(NUMBER)]}, compression="snappy"),
    "parquet, nested": parquet({"a": [[{"b": "x"}], [{"b": TEXT}]]}, compression="zstd"),
    "parquet, binary": parquet({"a": [b"x", TEXT.encode()]}, compression="gzip"),
}  # fmt: skip


@pytest.mark.parametrize("how", PLANTED)
def test_what_is_planted_is_found(how: str) -> None:
    assert in_data(PLANTED[how], WANTED)
    assert not in_data(PLANTED[how], Wanted.of(["Zoë & Quaxel/78", "48151.62343"]))


def test_zstd_is_opened() -> None:
    assert in_data(zstd(f"{{'a': '{TEXT}'}}".encode() * 50), WANTED)


def test_what_is_broken_is_looked_at_as_bytes() -> None:
    for data in (b"\x1f\x8b half", b"PK\x03\x04 half", b"PAR1 half", b"\x28\xb5\x2f\xfd half", b"{half", b""):
        assert not in_data(data, WANTED)
        assert in_data(data + TEXT.encode(), WANTED)


def test_files_their_names_sqlite_and_rows_of_the_control_store(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "root")
    storage.write("a/plain.txt", b"nothing")
    storage.write("a/Quaxel-77/x", b"nothing")
    assert [hit.how for hit in in_storage(storage, Wanted.of(["Quaxel-77"]), tmp_path / "scratch")] == ["its name"]
    with sqlite3.connect(tmp_path / "some.db") as database:
        database.execute("CREATE TABLE kept (number REAL, packed BLOB)")
        database.execute("INSERT INTO kept VALUES (?, ?)", (float(NUMBER), b""))
        database.execute("INSERT INTO kept VALUES (?, ?)", (1.0, gzip.compress(TEXT.encode())))
    assert [hit.how for hit in in_folder(tmp_path, WANTED, tmp_path / "root")] == ["table kept"]
    control = empty_control(tmp_path)
    assert list(in_control(control, WANTED)) == []
    DocumentKind("some", Format("some")).save(control, "k", "s", {"a": [TEXT]})
    assert len(list(in_control(control, WANTED))) == 1
