"""The same key is one text: in Python, in SQL, and in Arrow."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.core.keys import key_text
from include.core.spec import Feature, View
from include.data import sql_types
from include.online_store.layout import Layout
from include.online_store.row_codec import pack

AT = datetime.fromisoformat("2013-03-01T10:00:00")
LAYOUT = Layout.of("m", View(name="v", keys=("id",), features=(Feature(name="rate"),)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        ("5", "5"),
        ("05", "05"),
        ("5.0", "5.0"),
        (" 5", " 5"),
        (-(2**63), str(-(2**63))),
        (5.0, "5"),
        (-0.0, "0"),
        ("é", "é"),
    ],
)
def test_a_key_is_text(value: Any, text: str) -> None:
    assert key_text(value) == text
    assert LAYOUT.key((value,)) == LAYOUT.entity_key({"id": text}) == LAYOUT.entity_keys([{"id": value}])[0]


@pytest.mark.parametrize("value", [None, True, 5.5, math.nan, math.inf, 2.0**54, 2**63, -(2**63) - 1, date(2013, 1, 1), b"5", []])
def test_what_is_no_key_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match="neither text nor a whole number"):
        key_text(value)


@pytest.mark.parametrize(
    "column",
    [pa.array([5], kind) for kind in (pa.int8(), pa.uint16(), pa.int64(), pa.uint64())]
    + [pa.array([5.0]), pa.array(["5"]), pa.array(["5"], pa.large_string()), pa.array(["5"]).dictionary_encode()],
)
def test_rows_of_any_key_column_are_one_entitys(column: pa.Array) -> None:
    rows = pa.table({"id": column, "rate": [0.5], "event_timestamp": pa.array([AT], pa.timestamp("us"))})
    assert pack(LAYOUT, rows, AT).keys == [LAYOUT.entity_key({"id": "5"})]


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("5::TINYINT", "5"), ("5::BIGINT", "5"), ("5::HUGEINT", "5"), ("5.0::DOUBLE", "5"), ("-0.0::DOUBLE", "0"),
        ("5.0::FLOAT", "5"), ("5.00::DECIMAL(10, 2)", "5"), ("'05'", "05"), ("'a'::ENUM('a', 'b')", "a"),
        ("18446744073709551615::UBIGINT", str(2**64 - 1)),
        ("'6F9619FF-8B86-D011-B42D-00CF4FC964FF'::UUID", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"), ("NULL::DOUBLE", None),
    ],
)  # fmt: skip
def test_sql_writes_the_same_text(sql: str, text: str | None) -> None:
    assert duckdb.sql(f"SELECT {sql_types.key_text('k')} FROM (SELECT {sql} AS k)").fetchall() == [(text,)]


@pytest.mark.parametrize(
    "sql", ["5.5::DOUBLE", "1e17::DOUBLE", "'nan'::DOUBLE", "16777217::FLOAT", "5.5::DECIMAL(4, 1)", "true", "'x'::BLOB"]
)
def test_sql_refuses_what_is_no_key(sql: str) -> None:
    with pytest.raises(duckdb.Error, match="key k is neither text nor a whole number"):
        duckdb.sql(f"SELECT {sql_types.key_text('k')} FROM (SELECT {sql} AS k)").fetchall()
