"""Whether the compiled function and DuckDB give the same bits, on generated rows: values that arithmetic is known to fail at, and
random ones, in every combination that chance makes of them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from include.core.expression.checked import TIME
from include.core.spec import Feature
from include.data.session import open_session
from include.request_features.compiled import Derive
from include.request_features.definition import RequestFeatures
from include.request_features.relation import with_computed

_FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 0.1, 1e-300, 5e-324, 1e300, -1e300, 1.7976931348623157e308, 3.4e38, 2.0**53,
    2.0**63, -(2.0**63), 0.49999999999999994, 4503599627370497.5, 1e16, 86_400.0, 100.0, 3.141592653589793,
)  # fmt: skip
_INTS = (0, 1, -1, 2, 3, 7, -7, 10, 24, 60, 2**31, -(2**31), 2**53, -(2**53), 2**62, 2**63 - 1, -(2**63), 86_400)
_TEXTS = ("", "a", "A", "ab", "B6", "JFK", "it's", "é", "é", "雪", "\U0001f600x", "a b", " ", "Z" * 40, "%", "_", "0", "10")
_TIMES = (
    datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("1969-12-31T23:59:59.999999"),
    datetime.fromisoformat("2024-02-29T23:59:59.999999"), datetime.fromisoformat("2021-01-03T00:00:00"),
    datetime.fromisoformat("2020-12-31T12:30:15.5"), datetime.fromisoformat("1900-01-01T00:00:00.000001"),
)  # fmt: skip
_START = datetime.fromisoformat("1999-12-31")
_ARROW = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "category": pa.string(), "text": pa.string()}
EDGE, MISSING = 0.4, 0.08  # shares of a column's values


def generated(given: Sequence[Feature], count: int, seed: int = 7) -> pa.Table:
    """So many rows: event_timestamp, and every given feature by name. The same arguments give the same rows."""
    chance = random.Random(seed)
    columns: dict[str, pa.Array] = {TIME: pa.array([_time(chance) for _ in range(count)], pa.timestamp("us"))}
    for feature in given:
        columns[feature.name] = pa.array([_value(feature.dtype, chance) for _ in range(count)], _ARROW[feature.dtype])
    return pa.table(columns)


def _value(dtype: str, chance: random.Random) -> Any:
    if chance.random() < MISSING:
        return None
    edge = chance.random() < EDGE
    makers: Mapping[str, Callable[[], Any]] = {
        "float": lambda: chance.choice(_FLOATS) if edge else _float(chance),
        "int": lambda: chance.choice(_INTS) if edge else chance.randint(-1000, 1000) * chance.choice((1, 1, 10**6)),
        "bool": lambda: chance.random() < 0.5,
    }
    made = makers.get(dtype)
    if made is not None:
        return made()
    return chance.choice(_TEXTS) if edge else "".join(chance.choices("abcXYZ 019éß雪", k=chance.randrange(12)))


def _float(chance: random.Random) -> float:
    if chance.random() < 0.2:  # any bits that are a finite number
        (value,) = struct.unpack("<d", chance.randbytes(8))
        return float(value) if value - value == 0 else float("nan")
    return chance.uniform(-1, 1) * 10.0 ** chance.randrange(-3, 7)


def _time(chance: random.Random) -> datetime:
    if chance.random() < 0.1:
        return chance.choice(_TIMES)
    return _START + timedelta(microseconds=chance.randrange(50 * 365 * 86_400 * 1_000_000))


def by_duckdb(connection: duckdb.DuckDBPyConnection, wanted: RequestFeatures, rows: pa.Table) -> list[tuple[Any, ...]]:
    """What training makes of the rows, in their order: a tuple of the computed features each."""
    numbered = rows.append_column("_place", pa.array(range(len(rows)), pa.int64()))
    connection.register("given_rows", numbered)
    names = ", ".join(f'"{name}"' for name in wanted.names)
    sql = f"SELECT {names} FROM ({with_computed('SELECT * FROM given_rows', wanted)}) ORDER BY _place"
    found = connection.execute(sql).fetchall()
    connection.unregister("given_rows")
    return found


def by_function(derive: Derive, wanted: RequestFeatures, rows: pa.Table) -> list[tuple[Any, ...]]:
    """What the gateway makes of them."""
    found = []
    for row in rows.to_pylist():
        derive(row, row[TIME])
        found.append(tuple(row[name] for name in wanted.names))
    return found


def bits(value: Any) -> Any:
    """What two values must agree in: a float's bits, anything else's type and value."""
    return struct.pack("<d", value) if isinstance(value, float) else (type(value).__name__, value)


def difference(wanted: RequestFeatures, derive: Derive, rows: pa.Table) -> str:
    """The first value in which the two differ, in words; nothing where all are equal."""
    with open_session(1) as connection:
        theirs = by_duckdb(connection, wanted, rows)
    for place, (ours, other) in enumerate(zip(by_function(derive, wanted, rows), theirs, strict=True)):
        for name, one, two in zip(wanted.names, ours, other, strict=True):
            if bits(one) != bits(two):
                row = {
                    key: column[0].as_py() for key, column in zip(rows.column_names, rows.slice(place, 1).columns, strict=True)
                }
                return f"{name} of {row} is {one!r} here and {two!r} by DuckDB"
    return ""
