"""What one partition suggests of each column: rules as drafts, and words on what could not be said."""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from typing import Any

from include.data.sql import identifier
from include.row_rules.expectation import Expectation
from include.validation.batch import Batch
from include.validation.column import Column

FEW = 25  # distinct values of a text column that make a set
_WORDS = {"VARCHAR": "text", "BOOLEAN": "boolean", "DOUBLE": "number", "FLOAT": "number", "DATE": "timestamp"}
_INTEGERS = {
    f"{sign}{name}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for name, bits in {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}.items()
    for sign in ("", "U")
}
_LARGEST = sys.float_info.max


def kind_of(column: Column) -> str | None:
    """The word that `columns()` has for its type; None for a type that has none."""
    if column.type in _INTEGERS:
        return "integer"
    if column.type.startswith("DECIMAL"):
        return "number"
    return "timestamp" if column.type.startswith("TIMESTAMP") else _WORDS.get(column.type)


def rules_of(batch: Batch, column: Column) -> tuple[list[Expectation], list[str]]:
    """Rules on the column's values, and what there is to say of it beside."""
    sql = f"SELECT count(*) FILTER (WHERE {column.present}), count(DISTINCT {column.value}) FROM {batch.source}"
    present, distinct = batch.query(sql)[0]
    if not present:
        return [], ["holds no value in this partition."]
    rules, kind = [_missing(column, present, batch.rows)], kind_of(column)
    words: list[str] = []
    if distinct == present == batch.rows and kind in {"text", "integer"}:
        rules.append(_rule("ExpectColumnValuesToBeUnique", column, on_failure="quarantine"))
    if kind in {"number", "integer"}:
        bounds, words = _bounds(batch, column)
        rules += bounds
    if kind == "text":
        rules += _texts(batch, column, distinct)
    return rules, words


def _missing(column: Column, present: int, rows: int) -> Expectation:
    if present == rows:
        return _rule("ExpectColumnValuesToNotBeNull", column, on_failure="quarantine")
    share = math.floor(50 * present / rows) / 100  # half of what was seen
    return _rule("ExpectColumnProportionOfNonNullValuesToBeBetween", column, min_value=share)


def _bounds(batch: Batch, column: Column) -> tuple[list[Expectation], list[str]]:
    """None on a side where the column reaches infinity: no number bounds it there."""
    if column.type in _INTEGERS:
        least, most = _whole_bounds(*_extremes(batch, column), column.type)
        return [_rule("ExpectColumnValuesToBeBetween", column, min_value=least, max_value=most)], []
    floating = column.type in {"DOUBLE", "FLOAT"}
    low, high = _extremes(batch, column, f"isfinite({identifier(column.name)})" if floating else "TRUE")
    below, above = _infinite(batch, column) if floating else (False, False)
    words = [
        f"holds {sign}infinity: it is not bounded {side}."
        for sign, side, there in (("-", "below", below), ("", "above", above))
        if there
    ]
    if low is None or (below and above):
        return [], words
    bounds = dict(zip(("min_value", "max_value"), _real_bounds(low, high), strict=True))
    limits = {name: bound for (name, bound), open_ in zip(bounds.items(), (below, above), strict=True) if not open_}
    return [_rule("ExpectColumnValuesToBeBetween", column, **limits)], words


def _extremes(batch: Batch, column: Column, where: str = "TRUE") -> tuple[Any, Any]:
    low, high = batch.query(f"SELECT min({column.value}), max({column.value}) FROM {batch.source} WHERE {where}")[0]
    return low, high


def _infinite(batch: Batch, column: Column) -> tuple[bool, bool]:
    name = identifier(column.name)
    sql = ", ".join(f"count(*) FILTER (WHERE isinf({name}) AND {name} {sign} 0)" for sign in "<>")
    below, above = batch.query(f"SELECT {sql} FROM {batch.source}")[0]
    return bool(below), bool(above)


def _whole_bounds(low: int, high: int, kind: str) -> tuple[int, int]:
    """In whole numbers throughout, within what the type holds: a double would round beyond 2^53."""
    room = (high - low + 1) // 2
    least, most = _INTEGERS[kind]
    lower = low - room if low < 0 else max(0, low - room)
    return max(least, lower), min(most, high + room)


def _real_bounds(low: float | Decimal, high: float | Decimal) -> tuple[float, float]:
    """Six digits where these lie outside of what was seen, else all of them."""
    bottom, top = _outward(low, -math.inf), _outward(high, math.inf)
    room = top / 2 - bottom / 2
    lower = bottom - room if bottom < 0 else max(0.0, bottom - room)
    return _shorter(max(lower, -_LARGEST), lambda short: short <= bottom), _shorter(
        min(top + room, _LARGEST), lambda short: short >= top
    )


def _outward(seen: float | Decimal, towards: float) -> float:
    """A double that is not inside of a decimal."""
    near = float(seen)
    inside = Decimal(near) > Decimal(seen) if towards < 0 else Decimal(near) < Decimal(seen)
    return math.nextafter(near, towards) if inside else near


def _shorter(bound: float, outside: Any) -> float:
    short = float(f"{bound:.6g}")
    return short if outside(short) and math.isfinite(short) else bound


def _texts(batch: Batch, column: Column, distinct: int) -> list[Expectation]:
    name = identifier(column.name)
    if distinct <= FEW and distinct * 4 <= batch.rows:
        values = batch.query(f"SELECT DISTINCT {name} FROM {batch.source} WHERE {column.present} ORDER BY 1")
        return [_rule("ExpectColumnValuesToBeInSet", column, value_set=[value for (value,) in values])]
    shortest, longest = batch.query(f"SELECT min(length({name})), max(length({name})) FROM {batch.source}")[0]
    return [_rule("ExpectColumnValueLengthsToEqual", column, value=shortest)] if shortest == longest else []


def _rule(kind: str, column: Column, on_failure: Any = "warn", **arguments: Any) -> Expectation:
    return Expectation(kind, on_failure=on_failure, column=column.name, **arguments)
