"""The wire format of ONNX: which fields each message has, and a strict reading of them, one at a time.

Strict means that every parser must read the same: no unknown field, no field given twice that may stand once, no
number cut off. So what was looked at here is what the runtime sees. The table is checked against the installed
onnx package by a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SCALARS = {"varint": VARINT, "fixed32": FIXED32, "fixed64": FIXED64, "bytes": BYTES}
FIELDS_ALLOWED = 8_000_000  # that are read one by one: a second or a few, the last that a hostile file can cost

# A star marks a list, an exclamation mark a list of which every value counts (the axes of tensors).
_TABLE = """
Model: 1 varint, 8 Opset*, 2 bytes, 3 bytes, 4 bytes, 5 varint, 6 bytes, 7 Graph, 14 Pair*, 20 Training*, 25 Function*, 26 Device*
Opset: 1 bytes, 2 varint
Pair: 1 bytes, 2 bytes
Graph: 1 Node*, 2 bytes, 5 Tensor*, 15 Sparse*, 10 bytes, 11 Value*, 12 Value*, 13 Value*, 14 Annotation*, 16 Pair*
Node: 1 bytes*, 2 bytes*, 3 bytes, 4 bytes, 7 bytes, 8 bytes, 5 Attribute*, 6 bytes, 9 Pair*, 10 NodeDevice*
Attribute: 1 bytes, 21 bytes, 13 bytes, 20 varint, 2 fixed32, 3 varint, 4 bytes, 5 Tensor, 6 Graph, 22 Sparse, 14 Type, \
7 fixed32*, 8 varint*, 9 bytes*, 10 Tensor*, 11 Graph*, 23 Sparse*, 15 Type*
Tensor: 1 varint!, 2 varint, 3 Segment, 4 fixed32*, 5 varint*, 6 bytes*, 7 varint*, 8 bytes, 12 bytes, 9 bytes, 13 Pair*, \
14 varint, 10 fixed64*, 11 varint*, 16 Pair*
Segment: 1 varint, 2 varint
Sparse: 1 Tensor, 2 Tensor, 3 varint!
Type: 1 TensorType, 4 Element, 5 Map, 9 Element, 8 TensorType, 7 Opaque, 6 bytes
TensorType: 1 varint, 2 Shape
Element: 1 Type
Map: 1 varint, 2 Type
Opaque: 1 bytes, 2 bytes
Shape: 1 Dimension*
Dimension: 1 varint, 2 bytes, 3 bytes
Value: 1 bytes, 2 Type, 3 bytes, 4 Pair*
Annotation: 1 bytes, 2 Pair*
Training: 1 Graph, 2 Graph, 3 Pair*, 4 Pair*
Function: 1 bytes, 4 bytes*, 5 bytes*, 6 bytes*, 11 Attribute*, 7 Node*, 8 bytes, 9 Opset*, 10 bytes, 13 bytes, \
12 Value*, 14 Pair*
Device: 1 bytes, 2 varint, 3 bytes*
NodeDevice: 1 bytes, 2 Sharding*, 3 varint
Sharding: 1 bytes, 2 varint*, 3 Group*, 4 ShardedDim*
Group: 1 varint, 2 varint*
ShardedDim: 1 varint, 2 SimpleDim*
SimpleDim: 1 varint, 2 bytes, 3 varint
"""


@dataclass(frozen=True)
class Declared:
    """A field of a message as the format declares it."""

    kind: str  # a message's name, or a key of SCALARS
    repeated: bool
    each: bool  # whether every value of a list is given, not only the first of a run


def _schema() -> dict[str, dict[int, Declared]]:
    messages = {}
    for line in _TABLE.strip().splitlines():
        name, _, fields = line.partition(": ")
        pairs = (field.split() for field in fields.split(", "))
        messages[name] = {int(number): _declared(kind) for number, kind in pairs}
    return messages


def _declared(text: str) -> Declared:
    kind = text.rstrip("*!")
    return Declared(kind, kind != text, text.endswith("!") or kind not in SCALARS)


SCHEMA = _schema()


class MalformedError(ValueError):
    """The bytes are no ONNX, or no ONNX that every parser reads alike."""


class Reader:
    """Reads the fields of messages, and counts them over the whole file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._fields = 0

    def fields(self, message: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(number, a, b) of each field between two places: a number's value and 0, else where the content starts and ends.

        Of a list of numbers or texts only the first of a run is given, where the table has a star. Raises MalformedError.
        """
        declared, once, place = SCHEMA[message], 0, start
        while place < end:
            tag, begin = self.varint(place, end)
            number, wire = tag >> 3, tag & 7
            field = declared.get(number)
            if field is None:
                raise MalformedError(f"field {number} of {message} at byte {place} is not part of ONNX")
            if not field.repeated:
                if once >> number & 1:
                    raise MalformedError(f"field {number} of {message} is given twice at byte {place}")
                once |= 1 << number
            first, last, place = self._content(message, number, field, wire, begin, end)
            yield number, first, last
            if field.repeated and not field.each:
                place = self._past_run(tag, wire, place, end)
            self._count(1)

    def varint(self, place: int, end: int) -> tuple[int, int]:
        """An unsigned number of up to 64 bits, and where it ends."""
        value = shift = 0
        for at in range(place, min(place + 10, end)):
            byte = self.data[at]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at + 1
            shift += 7
        raise MalformedError(f"a number is cut off or too long at byte {place}")

    def varints(self, start: int, end: int, most: int) -> list[int]:
        """Packed numbers, at most so many."""
        found: list[int] = []
        while start < end:
            if len(found) == most:
                raise MalformedError(f"more than {most} numbers in one list at byte {start}")
            value, start = self.varint(start, end)
            found.append(value)
        return found

    def text(self, start: int, end: int) -> str:
        """For names: what is no UTF-8 is replaced, what is long is cut."""
        return self.data[start : min(end, start + 200)].decode(errors="replace")

    def _content(self, message: str, number: int, field: Declared, wire: int, begin: int, end: int) -> tuple[int, int, int]:
        """The two values of a field, and where the next one begins."""
        wanted = SCALARS.get(field.kind, BYTES)
        if wire != wanted and not (wire == BYTES and field.repeated):  # a list of numbers may be packed into one field
            raise MalformedError(f"field {number} of {message} at byte {begin} has the wrong wire type {wire}")
        if wire == VARINT:
            value, after = self.varint(begin, end)
            return value, 0, after
        if wire == BYTES:
            size, begin = self.varint(begin, end)
        else:
            size = 4 if wire == FIXED32 else 8
        if size > end - begin:
            raise MalformedError(f"field {number} of {message} claims {size} bytes at byte {begin}, where {end - begin} are left")
        return begin, begin + size, begin + size

    def _past_run(self, tag: int, wire: int, place: int, end: int) -> int:
        """Where the values of the same list end: hundreds of thousands in a forest's nodes, so not one by one."""
        run = _run(tag, wire).match(self.data, place, end)
        if run is None:
            return place
        if wire == BYTES:
            self._count((run.end() - place) // 3)  # at least 3 bytes each
        return run.end()

    def _count(self, more: int) -> None:
        self._fields += more
        if self._fields > FIELDS_ALLOWED:
            raise MalformedError(f"more than {FIELDS_ALLOWED} fields")


@lru_cache(maxsize=64)
def _run(tag: int, wire: int) -> re.Pattern[bytes]:
    """Values of one tag in a row; of texts those of 1 to 15 bytes."""
    head = re.escape(bytes([tag]) if tag < 0x80 else bytes([tag & 0x7F | 0x80, tag >> 7]))
    texts = b"|".join(re.escape(bytes([size])) + b".{%d}" % size for size in range(1, 16))
    bodies = {VARINT: rb"[\x80-\xff]{0,9}[\x00-\x7f]", FIXED32: b".{4}", FIXED64: b".{8}", BYTES: b"(?:" + texts + b")"}
    return re.compile(b"(?:" + head + bodies[wire] + b")*+", re.DOTALL)
