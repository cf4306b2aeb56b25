"""How one version of a view lies in the store: the keys of its rows, and its values in a payload.

    flight_delay:weather@3f9a0c21:["JFK"]    owner, view, the version of its definition, the entity's keys as JSON texts

The owner is the model, or the feature set whose view it is.

A key is text, whatever its column's type (include/core/keys.py): whole numbers are written as their digits, in quotes. A
payload is one MessagePack array without names: a changed schema is another version, with rows of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import chain, compress, repeat
from typing import Any

import msgspec
import numpy as np

from include.core.digest import digest_json
from include.core.keys import key_text
from include.core.spec import View
from include.core.spec.dtypes import length_of
from include.core.time import MICROSECOND
from include.online_store.store import Row, Values

AHEAD = timedelta(hours=1)  # how far a clock may be ahead of ours; the online store takes no later event
EARLIEST = -(10**16)  # microseconds: the year 1653

encode_key = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.msgpack.Decoder(list[Any]).decode
_decode_rows = msgspec.msgpack.Decoder(list[list[Any]]).decode  # without looking at each value's type: a third of the time
NUMBERS = ("float", "int")
FLOAT = 0xCB  # MessagePack's float 64
MISSING = bytes([FLOAT]) + struct.pack(">d", float("nan"))  # of all the bits that mean NaN, these


@dataclass(frozen=True)
class Layout:
    """How one version of a view lies in the store."""

    view: View
    prefix: str
    numbers: tuple[str, ...]  # first in the payload
    others: tuple[str, ...]  # after them: texts, truths and vectors, of any size
    ttl: int | None  # microseconds

    @classmethod
    def of(cls, model: str, view: View) -> Layout:
        """As the model reads it: a feature set's view lies under the set's name, for all of its readers once."""
        numbers = tuple(feature.name for feature in view.features if feature.dtype in NUMBERS)
        others = tuple(feature.name for feature in view.features if feature.dtype not in NUMBERS)
        ttl = None if view.ttl is None else view.ttl // MICROSECOND
        return cls(view, f"{view.owner(model)}:{view.name}@{version_of(view)}", numbers, others, ttl)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return (*self.numbers, *self.others)

    @cached_property
    def vectors(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.view.features if length_of(feature.dtype))

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
        return f"{self.prefix}:{encode_key([_key(value) for value in values]).decode()}"

    def entity_key(self, entity: Mapping[str, Any]) -> str:
        """`key` of what is known of an entity: the serving path."""
        head, names = self._head
        get = entity.get
        return head + encode_key([v if (v := get(name)).__class__ is str else _key(v) for name in names]).decode()

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
        if MISSING in payload:
            found = [None if value != value else value for value in found]
        values.update(zip(self.names, found, strict=True))
        for name in self.vectors:
            values[name] = vector(values[name])


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
    heads = [len(array_head(len(layout.names))) for layout in layouts]
    bodies = [[row[1][head:] for row in column if row] for column, head in zip(columns, heads, strict=True)]
    parts = chain.from_iterable(zip(repeat(array_head(len(names)), count), *bodies, strict=True))
    packed = b"\xdd%b%b" % (count.to_bytes(4), b"".join(parts))
    found = _decode_rows(packed)
    if MISSING in packed:
        found = [[None if value != value else value for value in row] for row in found]
    entities = [dict(zip(names, row, strict=True)) for row in found]
    for name in (name for layout in layouts for name in layout.vectors):
        for values in entities:
            values[name] = vector(values[name])
    return entities


def vector(value: Any) -> list[float] | None:
    """The numbers of a vector, which lie as float32, the lowest byte first."""
    return None if value is None else np.frombuffer(value, "<f4").tolist()


def array_head(count: int) -> bytes:
    """MessagePack's, of an array of so many values."""
    return bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2)


def parts_of(key: str) -> tuple[str, list[str | None]] | None:
    """The view and the entity's keys of a row's key; None for what is no entity's row, such as a mark of the view."""
    place, found, entity = key.partition(":[")
    if not found:
        return None
    try:
        keys = msgspec.json.decode(f"[{entity}", type=list[str | None])
    except msgspec.MsgspecError:
        return None
    return place.partition(":")[2].partition("@")[0], keys


def version_of(view: View) -> str:
    """The version that the view says it is, and its schema: eight hex digits that change with keys, names or dtypes."""
    schema = digest_json([list(view.keys), [[feature.name, feature.dtype] for feature in view.features]])[:8]
    return f"{view.version}.{schema}" if view.version else schema


def _key(value: Any) -> str | None:
    """None where it is not known: no row has that."""
    return None if value is None else key_text(value)
