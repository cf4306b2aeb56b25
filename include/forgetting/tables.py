"""A subject's rows in a table: found, taken out or masked, and the table written as it was but for them."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.errors import DataError
from include.core.subject import REQUEST_ID, Subject, is_telling
from include.data.subject_rows import MASKED, Columns, fits, rows_of
from include.forgetting.texts import without_values

ROUGH = 3  # significant digits that are left of such a number


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A Parquet file. Raises DataError where it cannot be read: what it holds is not known then."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            "A file cannot be read as Parquet: whether it holds the subject is not known.", seen=str(error)[:200]
        ) from error


def wanted(path: Path, columns: Columns, subject: Subject) -> pa.ChunkedArray | None:
    """Which rows of a file are the subject's; None where none is. Only the columns that say so are read."""
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            "A file cannot be read as Parquet: whether it holds the subject is not known.", seen=str(error)[:200]
        ) from error
    places = columns.places(names)
    if not places:
        return None
    mask = rows_of(read(path, list(dict.fromkeys(places.values()))), columns, subject)
    return mask if mask is not None and pc.any(mask).as_py() else None


def learn(table: pa.Table, mask: pa.Array, columns: Columns, subject: Subject, *, ids: bool, shared: Collection[str]) -> None:
    """Note what the subject's rows tell: the ids of its requests, and with `ids` alone no more; else also the values that no
    other row of the table has. `shared`: texts that are everybody's, as the categories of a model."""
    mine, others = table.filter(mask), table.filter(pc.invert(mask))
    places = columns.places(table.column_names)
    if REQUEST_ID in places and all(name in places for name in subject.keys):
        known = mine[places[REQUEST_ID]].unique().to_pylist()
        subject.note(columns.owner, known)
        subject.own(each for each in known if is_telling(each))
    for name in () if ids else table.column_names:
        if is_plain(table.schema.field(name).type):
            found = [value for value in mine[name].unique().to_pylist() if is_telling(value) and value not in shared]
            alone = pa.array(found, table.schema.field(name).type)
            taken = pc.is_in(alone, value_set=others[name].unique()) if found else ()
            subject.own(value for value, elsewhere in zip(found, taken, strict=True) if not elsewhere.as_py())


def is_plain(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_floating(kind) or pa.types.is_integer(kind)
    )


def scrubbed(table: pa.Table, subject: Subject) -> tuple[pa.Table, int]:
    """A table of which no row is anybody's, such as a profile: a text that only the subject had is a stand-in, such a number is
    rough. How many cells that were."""
    count = 0
    for place, name in enumerate(table.column_names if subject.values else ()):
        kind = table.schema.field(name).type
        if is_plain(kind) and not pc.any(fits(table[name], subject.owns)).as_py():
            continue
        values, changed = _scrubbed(table[name].to_pylist(), subject) if _may_hold(kind) else ([], 0)
        if changed:
            table = table.set_column(place, table.schema.field(name), pa.array(values, kind))
            count += changed
    return table, count


def _may_hold(kind: pa.DataType) -> bool:
    return bool(is_plain(kind) or pa.types.is_nested(kind))


def _scrubbed(value: Any, subject: Subject) -> tuple[Any, int]:
    if isinstance(value, dict):
        pairs = {name: _scrubbed(each, subject) for name, each in value.items()}
        return {name: each for name, (each, _) in pairs.items()}, sum(count for _, count in pairs.values())
    if isinstance(value, list | tuple):
        parts = [_scrubbed(each, subject) for each in value]
        return [each for each, _ in parts], sum(count for _, count in parts)
    if subject.owns(value):
        return stand_in(value), 1
    return without_values(value, subject) if isinstance(value, str) else (value, 0)


def stand_in(value: Any) -> Any:
    """What is left of a value that only the subject had."""
    if isinstance(value, str):
        return MASKED
    rough = float(f"{value:.{ROUGH}g}")
    return int(rough) if isinstance(value, int) else rough


def scrubbed_text(name: str, text: str, subject: Subject) -> tuple[str, int]:
    """The same of a file of text: one of JSON stays JSON."""
    if name.endswith(".json"):
        try:
            value, count = _scrubbed(json.loads(text), subject)
        except (ValueError, RecursionError):
            return without_values(text, subject)
        return (json.dumps(value, ensure_ascii=False), count) if count else (text, 0)
    return without_values(text, subject)


def scrubbed_value(value: Any, subject: Subject) -> tuple[Any, int]:
    """The same of a JSON value."""
    return _scrubbed(value, subject)
