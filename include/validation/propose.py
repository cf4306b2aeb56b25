"""A first `expectations.py` from a profiled partition: a starting file for its author to correct, never a verdict.

Bounds are the extremes seen, widened by half their distance; a text column with few values becomes a set, one
of one length a length; a column without duplicates a unique one. What a week of data would contradict is a
`warn`; only missing keys and types are `stop` or `quarantine`.
"""

from __future__ import annotations

import math
from typing import Any

from include.data.sql import identifier
from include.validation.batch import Batch
from include.validation.column import Column

FEW = 25  # distinct values of a text column that make a set
_KINDS = {"number": "number", "text": "text", "time": "timestamp", "flag": "boolean"}


def propose(batch: Batch, source: str) -> str:
    """Python source: `EXPECTATIONS` for one source, from one partition."""
    columns = [Column(name, kind) for name, kind in batch.types.items()]
    known = [column for column in columns if column.family in _KINDS]
    types = ", ".join(f'"{column.name}": "{_kind(column)}"' for column in known)
    rules = [line for column in known for line in _rules(batch, column)]
    rows = batch.rows
    rules.append(
        f'Expectation("ExpectTableRowCountToBeBetween", min_value={rows // 3}, max_value={rows * 3}, on_failure="warn"),'
    )
    body = "\n".join(f"    {line}" for line in [f"*columns(**{{{types}}}),", *rules])
    return (
        f'"""Proposed from one partition of {source} ({rows:,} rows). Correct what that day could not know."""\n\n'
        "from include.validation.expectation import Expectation, Suite, columns\n\n"
        f"{source.upper()} = (\n{body}\n)\n\nEXPECTATIONS = {{{source!r}: Suite({source.upper()})}}\n"
    )


def _kind(column: Column) -> str:
    return "integer" if column.family == "number" and column.type != "DOUBLE" else _KINDS[column.family]


def _rules(batch: Batch, column: Column) -> list[str]:
    name = column.name
    sql = f"SELECT count(*) FILTER (WHERE {column.present}), count(DISTINCT {column.value}) FROM {batch.source}"
    present, distinct = batch.query(sql)[0]
    if not present:
        return [f"# {name} holds no value in this partition."]
    rules = []
    if present == batch.rows:
        rules.append(_line("ExpectColumnValuesToNotBeNull", name, on_failure="quarantine"))
    else:
        share = math.floor(50 * present / batch.rows) / 100  # half of what was seen
        rules.append(_line("ExpectColumnProportionOfNonNullValuesToBeBetween", name, min_value=share, on_failure="warn"))
    if distinct == present == batch.rows and column.family in {"text", "number"} and column.type != "DOUBLE":
        rules.append(_line("ExpectColumnValuesToBeUnique", name, on_failure="quarantine"))
    if column.family == "number":
        rules.append(_bounds(batch, column))
    if column.family == "text":
        rules += _texts(batch, column, distinct)
    return rules


def _bounds(batch: Batch, column: Column) -> str:
    low, high = batch.query(f"SELECT min({column.value}), max({column.value}) FROM {batch.source}")[0]
    room = (high - low) / 2
    bounds = [low - room if low < 0 else max(0, low - room), high + room]
    if column.type != "DOUBLE":
        bounds = [math.floor(bounds[0]), math.ceil(bounds[1])]
    low, high = (float(f"{bound:.6g}") if column.type == "DOUBLE" else bound for bound in bounds)
    return _line("ExpectColumnValuesToBeBetween", column.name, min_value=low, max_value=high, on_failure="warn")


def _texts(batch: Batch, column: Column, distinct: int) -> list[str]:
    name = identifier(column.name)
    if distinct <= FEW and distinct * 4 <= batch.rows:
        values = batch.query(f"SELECT DISTINCT {name} FROM {batch.source} WHERE {column.present} ORDER BY 1")
        return [_line("ExpectColumnValuesToBeInSet", column.name, value_set=[value for (value,) in values], on_failure="warn")]
    shortest, longest = batch.query(f"SELECT min(length({name})), max(length({name})) FROM {batch.source}")[0]
    if shortest == longest:
        return [_line("ExpectColumnValueLengthsToEqual", column.name, value=shortest, on_failure="warn")]
    return []


def _line(kind: str, column: str, **arguments: Any) -> str:
    body = ", ".join(f"{name}={value!r}" for name, value in {"column": column, **arguments}.items())
    return f'Expectation("{kind}", {body}),'
