"""One column as other people's writers store it, and the value that each of its rows has: the oracle asks no reader of ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

ROWS = 12
at = datetime.fromisoformat  # times without a zone, as the files hold them
EPOCH = at("1970-01-01")
Value = float | str | None


@dataclass(frozen=True)
class Kind:
    """A way of storing: what a row may hold, the array of some rows, and what a row's value is worth as a feature."""

    name: str
    family: str  # number, text, time, flag: kinds of one family are one column, on whatever days
    values: st.SearchStrategy[Any]
    array: Callable[[Sequence[Any]], pa.Array]
    worth: Callable[[Any], Value] = lambda value: value  # of a value that is there
    refused: Callable[[Sequence[Any]], bool] = lambda values: False  # whether an error of ours is a right answer


def typed(type_: pa.DataType) -> Callable[[Sequence[Any]], pa.Array]:
    return lambda values: pa.array(values, type_)


def integers(name: str, low: int, high: int) -> Kind:
    edges = st.sampled_from([low, high, 0, 1, 2**53 - 1, 2**53 + 1, -(2**53) - 1]).filter(lambda n: low <= n <= high)
    small = st.integers(max(low, -100), min(high, 100))
    return Kind(name, "number", small | edges | st.integers(low, high), typed(getattr(pa, name)()), float)


def floats(name: str, width: Literal[16, 32, 64]) -> Kind:
    some = st.floats(width=width, allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0, 0.5, 1.0, -3.25])
    held_as: dict[int, type[np.floating[Any]]] = {16: np.float16, 32: np.float32, 64: np.float64}
    numpy = held_as[width]

    def array(values: Sequence[Any]) -> pa.Array:
        held = [None if value is None else numpy(value) for value in values]
        return pa.array(held, getattr(pa, name)())

    def worth(value: float) -> Value:
        return None if math.isnan(value) else float(numpy(value))

    return Kind(name, "number", some, array, worth, lambda values: any(v is not None and math.isinf(v) for v in values))


def decimals(precision: int, scale: int) -> Kind:
    most = 10**precision - 1
    # From text: arithmetic would round to 28 digits.
    values = (st.integers(-most, most) | st.integers(-200, 200)).map(lambda digits: Decimal(f"{digits}E-{scale}"))
    whole = scale == 0
    return Kind(
        f"decimal({precision}, {scale})", "number", values, typed(pa.decimal128(precision, scale)), float,
        lambda given: whole and any(value is not None and not -(2**63) <= value < 2**63 for value in given),
    )  # fmt: skip


def micros(moment: datetime | date) -> float:
    if not isinstance(moment, datetime):
        moment = at(moment.isoformat())
    plain = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return float((plain - EPOCH) // timedelta(microseconds=1))


def times(name: str, unit: str, zone: timezone | None = None) -> Kind:
    low, high = (at("1700-01-01"), at("2200-01-01")) if unit == "ns" else (at("0002-01-01"), at("9998-12-31"))
    step = {"s": timedelta(seconds=1), "ms": timedelta(milliseconds=1)}.get(unit, timedelta(microseconds=1))
    values = st.datetimes(low, high).map(lambda moment: low + (moment - low) // step * step)
    values |= st.sampled_from([EPOCH, at("2013-03-10T02:30"), at("2013-11-03T01:30")])
    if zone is None:
        return Kind(name, "time", values, typed(pa.timestamp(unit)), micros)
    zoned = values.map(lambda moment: moment.replace(tzinfo=zone))
    return Kind(name, "time", zoned, typed(pa.timestamp(unit, "America/New_York")), micros)


def seconds_beyond() -> Kind:
    """Seconds that no calendar holds, beside some that one does."""
    held = st.sampled_from([0, 1_363_000_000, 253_402_300_800, 2**52, -(2**52), -62_135_596_801 - 86_400 * 400])

    def array(values: Sequence[Any]) -> pa.Array:
        return pa.array(values, pa.int64()).cast(pa.timestamp("s"))

    return Kind("times beyond the calendar", "time", held, array, lambda value: value * 1e6, lambda values: True)


TROUBLE = ["", " ", "nan", "NULL", "5", "x"]
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8) | st.sampled_from(TROUBLE)


def texts(name: str, array: Callable[[Sequence[Any]], pa.Array]) -> Kind:
    return Kind(name, "text", WORDS, array)


def dictionary(values: Sequence[Any]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


KINDS: tuple[Kind, ...] = (
    *(integers(f"int{n}", -(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)),
    *(integers(f"uint{n}", 0, 2**n - 1) for n in (8, 16, 32, 64)),
    floats("float16", 16), floats("float32", 32), floats("float64", 64),
    decimals(10, 2), decimals(18, 0), decimals(30, 0), decimals(38, 10),
    texts("string", typed(pa.string())), texts("large_string", typed(pa.large_string())),
    texts("string_view", typed(pa.string_view())), texts("dictionary", dictionary),
    Kind("bool", "flag", st.booleans(), typed(pa.bool_()), float),
    Kind("date32", "time", st.dates(date(2, 1, 1), date(9998, 1, 1)), typed(pa.date32()), micros),
    *(times(f"timestamp[{unit}]", unit) for unit in ("s", "ms", "us", "ns")),
    times("timestamp[us, zoned]", "us", UTC), times("timestamp[ns, zoned]", "ns", timezone(timedelta(hours=-5))),
    seconds_beyond(),
)  # fmt: skip


def nothing(count: int) -> pa.Array:
    return pa.nulls(count)
