"""Once per client, in bounded memory: which entities have been counted already.

A bitmap by a hash of the entity. Two entities that share a bit count as one: that loses a little evidence
and favours neither arm, so no test that counts marks of either arm is biased by it.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from hashlib import blake2b
from typing import Self

import numpy as np
from numpy.typing import NDArray

FEWEST, MOST = 12, 21  # bits of the hash: 512 bytes to 256 KiB a bitmap
SPREAD = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: multiplicative hashing (Knuth, TAOCP 3, 6.4)

Places = NDArray[np.unsignedinteger]
"""Places in a bitmap."""


def unit_number(unit: str) -> int:
    """The 64-bit hash of an entity, as the log writes it: 16 hexadecimal digits. Any other text is hashed."""
    try:
        return int(unit, 16) & 0xFFFFFFFFFFFFFFFF
    except ValueError:
        return int.from_bytes(blake2b(unit.encode(), digest_size=8).digest())


def width(expected: int) -> int:
    """The bits of the hash where so many entities are expected."""
    return min(MOST, max(FEWEST, (32 * max(1, expected) - 1).bit_length()))


def place_of(unit: int, arm: int, bits: int) -> int:
    """Where an entity stands: an arm's entities elsewhere than the other's."""
    return (((unit ^ arm) * SPREAD) & 0xFFFFFFFFFFFFFFFF) >> (64 - bits)


def places_of(units: NDArray[np.uint64], arms: NDArray[np.uint8], bits: int) -> NDArray[np.uint32]:
    """The same of many."""
    with np.errstate(over="ignore"):
        return ((units ^ arms) * np.uint64(SPREAD) >> np.uint64(64 - bits)).astype(np.uint32)


class EntityBitmap:
    """A set of entities that forgets who they were. `add` says whether this one is new."""

    def __init__(self, expected: int, bits: bytes = b"") -> None:
        self._width = width(expected)
        self._bits = bytearray(bits or (1 << self._width) // 8)

    def add(self, unit: int, arm: int) -> bool:
        return self.add_place(place_of(unit, arm, self._width))

    def add_place(self, place: int) -> bool:
        byte, bit = place >> 3, 1 << (place & 7)
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        return True

    def add_places(self, places: Places) -> None:
        bits = np.unpackbits(np.frombuffer(bytes(self._bits), np.uint8), bitorder="little")
        bits[places] = 1
        self._bits = bytearray(np.packbits(bits, bitorder="little").tobytes())

    def has(self, places: Places) -> NDArray[np.bool_]:
        """Of each place whether it is taken."""
        bits = np.frombuffer(self._bits, np.uint8)
        shifted = bits[places >> 3] >> (places & 7).astype(np.uint8)
        taken: NDArray[np.bool_] = (shifted & 1).astype(np.bool_)
        return taken

    def pack(self) -> str:
        return b64encode(zlib.compress(bytes(self._bits), 1)).decode()

    @classmethod
    def unpack(cls, expected: int, text: str) -> Self:
        return cls(expected, zlib.decompress(b64decode(text)))
