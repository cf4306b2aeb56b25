"""A row of the online store: its key, its two times, and its values as one MessagePack array.

    flight_delay:weather@3f9a0c21:["JFK"]    model, view, the version of its definition, the entity's keys as JSON texts

A key is text, whatever its column's type (include/core/keys.py): whole numbers are written as their digits, in quotes.

Tables are packed column by column (Arrow and NumPy): a number always takes nine bytes, a missing one is NaN, so that a
million rows cost no Python loop. The array has no names: a changed schema is another version, with rows of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain, compress, repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.core.digest import digest_json
from include.core.errors import DataError
from include.core.keys import EXACT, key_text
from include.core.spec import View
from include.core.time import now, utc

Values = dict[str, Any]  # feature name to value; NaN comes back as None
Row = tuple[int, bytes]  # event time and payload, as stored
Bytes = npt.NDArray[np.uint8]

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime.fromisoformat("1970-01-01")
CREATED = "created_timestamp"  # a column that may come with rows: when each value was made
AHEAD = timedelta(hours=1)  # how far a clock may be ahead of ours; the online store takes no later event
EARLIEST = -(10**16)  # microseconds: the year 1653

_encode_key, _encode_lines = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_lines
_decode = msgspec.msgpack.Decoder(list[int | float | str | None]).decode
_decode_rows = msgspec.msgpack.Decoder(list[list[Any]]).decode  # without looking at each value's type: a third of the time
_ESCAPED = r'["\\\x00-\x1f]'  # what JSON does not take as it is
_FLOAT, _INT, _NIL, _TEXT = 0xCB, 0xD3, b"\xc0", b"\xdb"  # MessagePack's float 64, int 64, nil, str 32
_NAN = np.frombuffer(np.array(np.nan, ">f8").tobytes(), np.uint8)  # of all the bits that mean NaN, these
_MISSING = bytes([_FLOAT, *_NAN])


class Packed(NamedTuple):
    """Rows, a column a field, of distinct keys. Times are microseconds since 1970, UTC."""

    keys: list[str]
    events: list[int]
    created: list[int]
    payloads: list[bytes]
    kept: list[int]  # which row of the table each one is


@dataclass(frozen=True)
class Layout:
    """How one version of a view lies in the store."""

    view: View
    prefix: str
    numbers: tuple[str, ...]  # first in the payload
    texts: tuple[str, ...]  # after them
    ttl: int | None  # microseconds

    @classmethod
    def of(cls, model: str, view: View) -> Layout:
        numbers = tuple(feature.name for feature in view.features if feature.dtype != "category")
        texts = tuple(feature.name for feature in view.features if feature.dtype == "category")
        ttl = None if view.ttl is None else view.ttl // MICROSECOND
        return cls(view, f"{model}:{view.name}@{version_of(view)}", numbers, texts, ttl)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return (*self.numbers, *self.texts)

    @property
    def newest(self) -> str:
        """Key of the row that remembers the newest event time ever written."""
        return f"{self.prefix}!newest"

    @property
    def epoch(self) -> str:
        """Key of the row that says since when the store has kept the view's rows: it goes with them."""
        return f"{self.prefix}!epoch"

    @property
    def marks(self) -> tuple[str, ...]:
        """The keys of such rows: this version's, and that of the view as a whole."""
        whole = f"{self.prefix.partition('@')[0]}@{version_of(self.view.model_copy(update={'version': ''}))}!newest"
        return (self.newest, whole) if self.view.version else (self.newest,)

    def key(self, values: Sequence[Any]) -> str:
        """No two entities share one, whatever their names hold."""
        return f"{self.prefix}:{_encode_key([_key(value) for value in values]).decode()}"

    def entity_key(self, entity: Mapping[str, Any]) -> str:
        """`key` of what is known of an entity: the serving path."""
        head, names = self._head
        get = entity.get
        return head + _encode_key([v if (v := get(name)).__class__ is str else _key(v) for name in names]).decode()

    def entity_keys(self, entities: Sequence[Mapping[str, Any]]) -> list[str]:
        """The same of many, a third of the time each: one text, a line an entity (JSON has no line break within)."""
        if not entities:
            return []
        head, names = self._head
        if len(names) == 1:
            (name,) = names
            known: list[list[Any]] = [[v if (v := entity.get(name)).__class__ is str else _key(v)] for entity in entities]
        else:
            known = [[v if (v := e.get(name)).__class__ is str else _key(v) for name in names] for e in entities]
        return [head + line for line in _encode_lines(known).decode()[:-1].split("\n")]

    @cached_property
    def _head(self) -> tuple[str, tuple[str, ...]]:
        return f"{self.prefix}:", self.view.keys

    def unpack(self, payload: bytes) -> Values:
        values: Values = {}
        self.unpack_into(values, payload)
        return values

    def unpack_into(self, values: Values, payload: bytes) -> None:
        found = _decode(payload)
        if _MISSING in payload:
            found = [None if value != value else value for value in found]
        values.update(zip(self.names, found, strict=True))


def unpack_entity(layouts: Sequence[Layout], rows: Sequence[Row | None], now: int | None) -> Values:
    """The values of an entity's rows, one a layout, but for rows older than their ttl at `now` (microseconds)."""
    values: Values = {}
    for layout, row in zip(layouts, rows, strict=True):
        if row is not None:
            event, payload = row
            if now is None or (ttl := layout.ttl) is None or now - event <= ttl:
                layout.unpack_into(values, payload)
    return values


def unpack_entities(layouts: Sequence[Layout], rows: Sequence[Row | None], count: int, now: int | None) -> list[Values]:
    """The same of so many entities: `rows` are all of them for the first layout, then for the next.

    Entities whose rows are all there are decoded as one array of all their values: a third of the time, and a fifth of
    the objects that Python's collector must look through.
    """
    columns = [rows[n * count : (n + 1) * count] for n in range(len(layouts))]
    whole = [True] * count
    for layout, column in zip(layouts, columns, strict=True):
        oldest = EARLIEST if now is None or layout.ttl is None else now - layout.ttl
        whole = [so_far and row is not None and row[0] >= oldest for so_far, row in zip(whole, column, strict=True)]
    if all(whole):
        return _unpack_whole(layouts, columns, count)
    together = iter(_unpack_whole(layouts, [list(compress(column, whole)) for column in columns], sum(whole)))
    return [
        next(together) if each else unpack_entity(layouts, [column[place] for column in columns], now)
        for place, each in enumerate(whole)
    ]


def _unpack_whole(layouts: Sequence[Layout], columns: Sequence[Sequence[Row | None]], count: int) -> list[Values]:
    names = [name for layout in layouts for name in layout.names]
    heads = [len(_array_head(len(layout.names))) for layout in layouts]
    bodies = [[row[1][head:] for row in column if row] for column, head in zip(columns, heads, strict=True)]
    parts = chain.from_iterable(zip(repeat(_array_head(len(names)), count), *bodies, strict=True))
    packed = b"\xdd%b%b" % (count.to_bytes(4), b"".join(parts))
    found = _decode_rows(packed)
    if _MISSING in packed:
        found = [[None if value != value else value for value in row] for row in found]
    return [dict(zip(names, row, strict=True)) for row in found]


def _array_head(count: int) -> bytes:
    """MessagePack's, of an array of so many values."""
    return bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2)


def version_of(view: View) -> str:
    """The version that the view says it is, and its schema: eight hex digits that change with keys, names or dtypes."""
    schema = digest_json([list(view.keys), [[feature.name, feature.dtype] for feature in view.features]])[:8]
    return f"{view.version}.{schema}" if view.version else schema


def microseconds(moment: datetime) -> int:
    """Since 1970, UTC; a time without zone is UTC."""
    return (utc(moment) - EPOCH) // MICROSECOND


def moment(microseconds_: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds_)


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
        filled = pc.fill_null(rows[CREATED].cast(pa.timestamp("us"), safe=False), pa.scalar(moment(microseconds(created))))
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


def _key(value: Any) -> str | None:
    """None where it is not known: no row has that."""
    return None if value is None else key_text(value)


def _json(values: pa.Array) -> pa.Array:
    """Each value as a JSON text. Few need escapes: where one does, each distinct value goes through the encoder of serving."""
    texts = values.cast(pa.string())
    if not pc.any(pc.match_substring_regex(texts, _ESCAPED)).as_py():
        return pc.binary_join_element_wise('"', texts, '"', "")
    found = texts.dictionary_encode()
    return pa.array([_encode_key(value).decode() for value in found.dictionary.to_pylist()], pa.string()).take(found.indices)


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
    head = _array_head(len(layout.names))
    fixed = np.empty((rows.num_rows, len(head) + 9 * len(layout.numbers)), np.uint8)
    fixed[:, : len(head)] = np.frombuffer(head, np.uint8)
    for place, name in enumerate(layout.numbers):
        start = len(head) + 9 * place
        fill = _floats if dtypes[name] == "float" else _integers
        fill(layout.view, name, rows[name], fixed[:, start : start + 9])
    width, body = fixed.shape[1], fixed.tobytes()
    if not layout.texts:
        return [body[at : at + width] for at in range(0, len(body), width)]
    parts: list[Any] = [pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), rows.num_rows, [None, pa.py_buffer(body)])]
    parts = [part.cast(pa.binary()) for part in parts] + [_texts(layout.view, name, rows[name]) for name in layout.texts]
    joined: list[bytes] = pc.binary_join_element_wise(*parts, b"").to_pylist()
    return joined


def _floats(view: View, name: str, column: pa.ChunkedArray, into: Bytes) -> None:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise _bad(view, f"{name!r} is no number", str(column.type), "make the column and the spec's dtype agree")
    values = column.cast(pa.float64(), safe=False).to_numpy()  # null becomes NaN
    into[:, 0], into[:, 1:] = _FLOAT, values.astype(">f8").view(np.uint8).reshape(len(values), 8)
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
        into[unknown, 0], into[unknown, 1:] = _FLOAT, _NAN


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
