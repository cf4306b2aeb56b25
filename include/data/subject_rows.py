"""A subject's rows in a table: by its keys, or by the ids of requests that were about it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.subject import REQUEST_ID, Subject

MASKED = "forgotten"  # what stands for a key that was masked


@dataclass(frozen=True)
class Columns:
    """Under which names a table may hold the keys and the ids of requests: their own, and those that the spec gives."""

    owner: str
    names: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, owner: str, keys: Iterable[str], given: Mapping[str, str], *, raw: bool) -> Columns:
        """`given`: as `data.subject_columns`. `raw`: of a table as it landed, where those names count first; of another one the
        keys' own do."""
        both = {name: (name, given.get(name, name)) for name in (*keys, REQUEST_ID)}
        return cls(owner, {name: tuple(dict.fromkeys(reversed(each) if raw else each)) for name, each in both.items()})

    def places(self, columns: Iterable[str]) -> dict[str, str]:
        """By key, the column that holds it among those of a table."""
        there = {name.lower(): name for name in columns}
        found = {key: [there[each.lower()] for each in names if each.lower() in there] for key, names in self.names.items()}
        return {key: named[0] for key, named in found.items() if named}


def rows_of(table: pa.Table, columns: Columns, subject: Subject) -> pa.Array | None:
    """The mask of the subject's rows: those that have all of its keys, and those of its requests. None: it has no such column."""
    places = columns.places(table.column_names)
    masks = []
    if all(name in places for name in subject.keys):
        masks.append(_all(fits(table[places[name]], _key(subject, name)) for name in subject.keys))
    if REQUEST_ID in places and subject.ids and subject.by_id:
        masks.append(fits(table[places[REQUEST_ID]], lambda value: subject.asked(columns.owner, value)))
    if not masks:
        return None
    mask = masks[0]
    for other in masks[1:]:
        mask = pc.or_(mask, other)
    return mask


def _key(subject: Subject, name: str) -> Callable[[Any], bool]:
    return lambda value: subject.has(name, value)


def _all(masks: Iterable[pa.Array]) -> pa.Array:
    first, *others = masks
    for other in others:
        first = pc.and_(first, other)
    return first


def fits(column: pa.ChunkedArray, is_one: Callable[[Any], bool]) -> pa.Array:
    """The mask of the cells that are one. Each distinct value is asked about once."""
    plain = pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column
    if pa.types.is_nested(plain.type):
        return pa.repeat(False, len(plain))
    distinct = pc.unique(plain)
    found = [value for value in distinct if value.as_py() is not None and is_one(value.as_py())]
    if not found:
        return pa.repeat(False, len(plain))
    chosen = pa.array([value.as_py() for value in found], distinct.type)
    return pc.fill_null(pc.is_in(plain, value_set=chosen), False).combine_chunks()


def without(table: pa.Table, mask: pa.Array) -> pa.Table:
    """The other rows."""
    return table.filter(pc.invert(mask))


def masked(table: pa.Table, mask: pa.Array, columns: Columns, subject: Subject) -> pa.Table:
    """The same rows: of the subject's the keys are a stand-in, or nothing where they are no text."""
    for key, column in columns.places(table.column_names).items():
        if key in subject.keys:
            field = table.schema.field(column)
            text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
            put = pa.scalar(MASKED if text else None, field.type)
            table = table.set_column(
                table.column_names.index(column), field.with_nullable(True), pc.if_else(mask, put, table[column])
            )
    return table


def written(table: pa.Table, like: pq.FileMetaData) -> bytes:
    """As Parquet, compressed and cut as the file it is made from: the same rows of the same file give the same bytes."""
    codec, rows = "snappy", like.num_rows
    if like.num_row_groups and like.num_columns:
        codec, rows = like.row_group(0).column(0).compression.lower(), like.row_group(0).num_rows
    target = io.BytesIO()
    pq.write_table(table, target, compression="none" if codec == "uncompressed" else codec, row_group_size=max(1, rows))
    return target.getvalue()
