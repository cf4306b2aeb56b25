"""Rows of a table, packed for the online store: a key, two times, and the values as one MessagePack array.

Tables are packed column by column (Arrow and NumPy): a number always takes nine bytes, a missing one is NaN, so that a
million rows cost no Python loop. include/online_store/layout.py reads them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import DataError
from include.core.keys import EXACT
from include.core.spec import View
from include.core.spec.dtypes import length_of
from include.core.time import MICROSECOND, from_microseconds, microseconds, now
from include.model_contract.columns import vectors_of_column
from include.model_contract.input import Input
from include.online_store.layout import (
    AHEAD,
    EARLIEST,
    FLOAT,
    MISSING,
    Layout,
    array_head,
    encode_key,
)

Bytes = npt.NDArray[np.uint8]

CREATED = "created_timestamp"  # a column that may come with rows: when each value was made

_ESCAPED = r'["\\\x00-\x1f]'  # what JSON does not take as it is
_INT, _NIL, _TEXT = 0xD3, b"\xc0", b"\xdb"  # MessagePack's int 64, nil, str 32
_FALSE, _TRUE, _BIN = b"\xc2", b"\xc3", b"\xc6"  # and bin 32
_NAN = np.frombuffer(MISSING[1:], np.uint8)


class Packed(NamedTuple):
    """Rows, a column a field, of distinct keys. Times are microseconds since 1970, UTC."""

    keys: list[str]
    events: list[int]
    created: list[int]
    payloads: list[bytes]
    kept: list[int]  # which row of the table each one is


def pack(layout: Layout, rows: pa.Table, created: datetime) -> Packed:
    """The rows of a table with the view's columns, in any order; further columns are ignored.

    Each was made at its `created_timestamp`, if the table has that column, else at `created`. Rows with a null key
    are left out; of several rows of one key the newest stays. Raises DataError naming the column, before anything
    is written: missing, of another type, or with a time no clock can have shown yet.
    """
    _check_columns(layout.view, rows)
    rows, kept = _with_keys(layout.view, rows)
    events = _times(layout.view, "event_timestamp", rows["event_timestamp"], created).tolist()
    stamps = [microseconds(created)] * len(events)
    if CREATED in rows.column_names:
        filled = pc.fill_null(
            rows[CREATED].cast(pa.timestamp("us"), safe=False), pa.scalar(from_microseconds(microseconds(created)))
        )
        stamps = _times(layout.view, CREATED, filled, created).tolist()
    packed = Packed(_keys(layout, rows), events, stamps, _payloads(layout, rows), kept.tolist())
    return packed if len(set(packed.keys)) == len(packed.keys) else _newest(packed)


def _newest(packed: Packed) -> Packed:
    """One row a key, chosen as the stores would: the newest event, then creation, then the larger payload."""
    best: dict[str, int] = {}
    ranks = list(zip(packed.events, packed.created, packed.payloads, strict=True))
    for place, key in enumerate(packed.keys):
        if key not in best or ranks[place] > ranks[best[key]]:
            best[key] = place
    places = sorted(best.values())
    return Packed(*([column[place] for place in places] for column in packed))  # type: ignore[arg-type]


# -- columns ---------------------------------------------------------------------------------------------


def _check_columns(view: View, rows: pa.Table) -> None:
    wanted = ("event_timestamp", *view.keys, *(feature.name for feature in view.features))
    missing = [name for name in wanted if name not in rows.column_names]
    if missing:
        raise _bad(view, f"has no column {', '.join(map(repr, missing))}", rows.column_names, "give every column of the view")


def _with_keys(view: View, rows: pa.Table) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """The rows with all keys, and their places."""
    known = np.ones(rows.num_rows, bool)
    for key in view.keys:
        known &= rows[key].is_valid().to_numpy()
    places = np.flatnonzero(known)
    return (rows if len(places) == rows.num_rows else rows.take(pa.array(places))), places


def without_key(view: View, rows: pa.Table) -> int:
    """How many rows have a null among their keys."""
    return int(rows.num_rows - len(_with_keys(view, rows.select(view.keys))[1]))


def _times(view: View, name: str, column: pa.ChunkedArray, created: datetime) -> npt.NDArray[np.int64]:
    if not pa.types.is_timestamp(column.type) and not pa.types.is_date(column.type):
        raise _bad(view, f"{name!r} is no time", str(column.type), "send a timestamp, UTC where it has no zone")
    if column.null_count:
        raise _bad(view, f"{name!r} must not be null", f"{column.null_count} nulls", "say when the values were known")
    events = column.cast(pa.timestamp("us", column.type.tz if pa.types.is_timestamp(column.type) else None), safe=False)
    found: npt.NDArray[np.int64] = events.cast(pa.int64()).to_numpy()
    latest = max(microseconds(created), microseconds(now())) + AHEAD // MICROSECOND
    if len(found) and (found.max() > latest or found.min() < EARLIEST):
        wrong = found.max() if found.max() > latest else found.min()
        what = f"{name!r} lies ahead of every clock (by more than {AHEAD}) or before 1653"
        raise _bad(
            view, what, str(pa.scalar(int(wrong), pa.timestamp("us"))), "such a row would hide every later value; send UTC"
        )
    return found


def _keys(layout: Layout, rows: pa.Table) -> list[str]:
    """As `Layout.key` writes them, column by column."""
    parts: list[Any] = [f"{layout.prefix}:["]
    for place, name in enumerate(layout.view.keys):
        texts = _json(_key_column(layout.view, name, rows[name]).combine_chunks())
        parts += [",", texts] if place else [texts]
    if not layout.view.keys:
        return [f"{layout.prefix}:[]"] * rows.num_rows
    joined: list[str] = pc.binary_join_element_wise(*parts, "]", "").to_pylist()
    return joined


def _json(values: pa.Array) -> pa.Array:
    """Each value as a JSON text. Few need escapes: where one does, each distinct value goes through the encoder of serving."""
    texts = values.cast(pa.string())
    if not pc.any(pc.match_substring_regex(texts, _ESCAPED)).as_py():
        return pc.binary_join_element_wise('"', texts, '"', "")
    found = texts.dictionary_encode()
    return pa.array([encode_key(value).decode() for value in found.dictionary.to_pylist()], pa.string()).take(found.indices)


def _key_column(view: View, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_floating(kind):  # what pandas makes of whole numbers beside a null
        try:
            whole = column.cast(pa.int64())
        except pa.ArrowException as error:
            raise _bad(view, f"key {name!r} is no whole number", str(error)[:200], "send text or whole numbers") from error
        if pc.any(pc.greater(pc.abs_checked(whole), EXACT)).as_py():
            what = f"key {name!r} is a floating-point number beyond those that tell whole numbers apart"
            raise _bad(view, what, str(pc.max(whole)), "send text or whole numbers")
        return whole
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise _bad(view, f"key {name!r} is neither text nor a whole number", str(kind), "send text or whole numbers")
    return column.cast(kind)


def _payloads(layout: Layout, rows: pa.Table) -> list[bytes]:
    dtypes = {feature.name: feature.dtype for feature in layout.view.features}
    head = array_head(len(layout.names))
    fixed = np.empty((rows.num_rows, len(head) + 9 * len(layout.numbers)), np.uint8)
    fixed[:, : len(head)] = np.frombuffer(head, np.uint8)
    for place, name in enumerate(layout.numbers):
        start = len(head) + 9 * place
        fill = _floats if dtypes[name] == "float" else _integers
        fill(layout.view, name, rows[name], fixed[:, start : start + 9])
    width, body = fixed.shape[1], fixed.tobytes()
    if not layout.others:
        return [body[at : at + width] for at in range(0, len(body), width)]
    parts: list[Any] = [pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), rows.num_rows, [None, pa.py_buffer(body)])]
    parts = [part.cast(pa.binary()) for part in parts]
    parts += [_other(layout.view, name, dtypes[name], rows[name]) for name in layout.others]
    joined: list[bytes] = pc.binary_join_element_wise(*parts, b"").to_pylist()
    return joined


def _floats(view: View, name: str, column: pa.ChunkedArray, into: Bytes) -> None:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise _bad(view, f"{name!r} is no number", str(column.type), "make the column and the spec's dtype agree")
    values = column.cast(pa.float64(), safe=False).to_numpy()  # null becomes NaN
    into[:, 0], into[:, 1:] = FLOAT, values.astype(">f8").view(np.uint8).reshape(len(values), 8)
    into[np.isnan(values), 1:] = _NAN


def _integers(view: View, name: str, column: pa.ChunkedArray, into: Bytes) -> None:
    if pa.types.is_floating(column.type):  # what pandas makes of whole numbers beside a null
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    elif not (pa.types.is_integer(column.type) or pa.types.is_null(column.type) or pa.types.is_boolean(column.type)):
        raise _bad(view, f"{name!r} is no whole number", str(column.type), "make the column and the spec's dtype agree")
    try:
        whole = column.cast(pa.int64())
    except pa.ArrowException as error:
        raise _bad(view, f"{name!r} does not fit a whole number of 64 bits", str(error)[:200], "declare it a float") from error
    values = pc.fill_null(whole, 0).to_numpy()
    into[:, 0], into[:, 1:] = _INT, values.astype(">i8").view(np.uint8).reshape(len(values), 8)
    if whole.null_count:
        unknown = np.asarray(whole.is_null())
        into[unknown, 0], into[unknown, 1:] = FLOAT, _NAN


def _other(view: View, name: str, dtype: str, column: pa.ChunkedArray) -> pa.Array:
    """What takes more or fewer bytes than a number."""
    if dtype == "bool":
        return _truths(view, name, column)
    return _vectors(view, name, length_of(dtype), column) if length_of(dtype) else _texts(view, name, column)


def _truths(view: View, name: str, column: pa.ChunkedArray) -> pa.Array:
    """MessagePack's true and false, a byte each, or nil."""
    if not (pa.types.is_boolean(column.type) or pa.types.is_null(column.type)):
        raise _bad(view, f"{name!r} is neither true nor false", str(column.type), "make the column and the spec's dtype agree")
    known = column.cast(pa.bool_()).combine_chunks()
    return pc.fill_null(pc.if_else(known, pa.scalar(_TRUE, pa.binary()), pa.scalar(_FALSE, pa.binary())), _NIL)


def _vectors(view: View, name: str, length: int, column: pa.ChunkedArray) -> pa.Array:
    """Each value as MessagePack: bin 32 of its numbers as float32, the lowest byte first; or nil."""
    try:
        numbers = vectors_of_column(column, Input(name, f"vector[{length}]"))
    except DataError as error:
        raise _bad(view, error.what.rstrip("."), error.seen, "make the column and the spec's dtype agree") from None
    known = ~np.asarray(column.is_null().to_numpy(), bool)
    wild = known & ~np.isfinite(numbers).all(axis=1)
    if wild.any():
        seen = f"{int(wild.sum())} rows, the first at {int(wild.argmax())}"
        raise _bad(view, f"{name!r} holds numbers that are not finite", seen, "send null where a vector is not known")
    packed = np.empty((len(numbers), 5 + 4 * length), np.uint8)
    packed[:, :5] = np.frombuffer(_BIN + (4 * length).to_bytes(4), np.uint8)
    packed[:, 5:] = numbers.astype("<f4").view(np.uint8).reshape(len(numbers), 4 * length)
    body, width = pa.py_buffer(packed.tobytes()), packed.shape[1]
    whole = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(numbers), [None, body]).cast(pa.binary())
    return pc.if_else(pa.array(known), whole, pa.scalar(_NIL, pa.binary()))


def _texts(view: View, name: str, column: pa.ChunkedArray) -> pa.Array:
    """Each value as MessagePack: str 32 with its length in bytes, or nil."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise _bad(view, f"{name!r} is no text", str(kind), "make the column and the spec's dtype agree")
    texts = column.cast(pa.string()).combine_chunks()
    raw = texts.cast(pa.binary())
    sizes = pc.fill_null(pc.binary_length(raw), 0).to_numpy(zero_copy_only=False).astype(">u4").tobytes()
    lengths = pa.FixedSizeBinaryArray.from_buffers(pa.binary(4), len(texts), [None, pa.py_buffer(sizes)]).cast(pa.binary())
    return pc.fill_null(pc.binary_join_element_wise(_TEXT, lengths, raw, b""), _NIL)


def _bad(view: View, what: str, seen: object, hint: str) -> DataError:
    return DataError(
        f"Rows for the online view {view.name!r}: {what}.", seen=seen, safe="nothing was written online.", hint=f"{hint}."
    )
