"""One pass over a column: Arrow in, a summary out. The inner loop of monitoring, so every nanosecond a value is counted.

A block of values at a time stays in the core's cache: grid position, sums, counters and hashes are computed while it
is there. NumPy and Arrow let go of the interpreter meanwhile, so two threads count two columns at once.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.monitoring.profile.binning import Axis, Counts, Floats
from include.monitoring.profile.summary import KEPT, Hashes, Summary, smallest

BLOCK = 32_768
BLOCK_FIRST = 1024  # a first, small block tells whether values are many, and which hashes are too large to be kept
PENDING = 256  # so many new hashes are sorted together
MANY = 0.125  # where this share of a block is new to its cells, all values are hashed without asking
_FIRST, _SECOND, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(32)  # as in xxHash
LARGEST = float(np.finfo(np.float64).max)  # the squares of huge values overflow: this stands for them
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


def count(column: pa.ChunkedArray | pa.Array, axis: Axis) -> Summary:
    """The summary of a column. Nulls, NaN and infinities are missing."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if not axis.numeric:
        return _categories(pa.chunked_array(chunks, type=column.type), axis)
    counter = Counter(axis)
    for chunk in chunks:
        counter.add(chunk)
    return counter.summary()


class Counter:
    """Of one numeric column. Holds some buffers of BLOCK values, whatever the length of what is added."""

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.rows = self.present = 0
        self._cells: Counts = np.zeros(axis.cells + 2, dtype=np.int64)
        self._sum = self._squares = 0.0  # of grid positions, which lie near the origin: nothing cancels
        self._low, self._high = np.inf, -np.inf
        self._hashes: Hashes = np.empty(0, dtype=np.uint32)
        self._pending: list[Hashes] = []
        self._limit = _ALL
        # The value (its bits) that each cell got last; at first none that is finite. None: too many to be asked.
        self._last: npt.NDArray[np.uint64] | None = np.full(axis.cells + 2, _ALL, dtype=np.uint64)
        self._spot = np.empty(BLOCK, dtype=np.float64)
        self._index = np.empty(BLOCK, dtype=np.intp)

    def add(self, array: pa.Array) -> None:
        """A numeric (or boolean) array."""
        self.rows += len(array)
        values = array.drop_null() if array.null_count else array
        numbers: Floats = (values if pa.types.is_float64(values.type) else _float(values)).to_numpy(zero_copy_only=False)
        first = 0 if self.present else min(BLOCK_FIRST, len(numbers))
        self._block(numbers[:first])
        for start in range(first, len(numbers), BLOCK):
            self._block(numbers[start : start + BLOCK])

    def summary(self) -> Summary:
        axis, n = self.axis, self.present
        self._keep()
        center = self._sum / n if n else 0.0
        m2 = min(max(0.0, self._squares - n * center * center) * axis.step * axis.step, LARGEST)
        mean = axis.low + (center + self._origin) * axis.step if n else 0.0
        m2 = 0.0 if self._low == self._high else m2  # a single value has no variance, and rounding must not give it one
        mean = float(self._low) if n and self._low == self._high else mean
        return Summary(
            self.rows, self.rows - n, 0, axis.fold(self._cells), mean, m2,
            float(self._low), float(self._high), self._cells, self._hashes,
        )  # fmt: skip

    @property
    def _origin(self) -> float:
        return self.axis.cells / 2

    def _block(self, values: Floats) -> None:
        if not len(values):
            return
        low, high = values.min(), values.max()
        if not (np.isfinite(low) and np.isfinite(high)):  # min and max hand on a NaN
            values = values[np.isfinite(values)]
            if not len(values):
                return
            low, high = values.min(), values.max()
        self._low, self._high = min(self._low, low), max(self._high, high)
        self.present += len(values)
        self._count(values, low, high)
        self._distinct(values)

    def _count(self, values: Floats, low: float, high: float) -> None:
        axis, spot, index = self.axis, self._spot[: len(values)], self._index[: len(values)]
        np.subtract(values, axis.low - axis.step, out=spot)
        np.multiply(spot, 1 / axis.step, out=spot)
        origin = self._origin + 1
        total = float(spot.sum())
        self._sum += total - origin * len(values)
        self._squares += float(np.einsum("i,i->", spot, spot)) - 2 * origin * total + origin * origin * len(values)
        if low < axis.low or high >= axis.low + axis.step * axis.cells:
            np.clip(spot, 0, axis.cells + 1, out=spot)
        np.copyto(index, spot, casting="unsafe")
        np.add.at(self._cells, index, 1)  # bincount would search the ends first, and return 64 KB to add

    def _distinct(self, values: Floats) -> None:
        """Hashes what may be new. Values that their cell got last are not: a column of few values is hardly hashed at all."""
        spot, index = self._spot[: len(values)].view(np.uint64), self._index[: len(values)]  # their content is used up
        bits = values.view(np.uint64)
        if self._last is not None:
            np.take(self._last, index, out=spot, mode="clip")
            new = np.flatnonzero(spot != bits)
            self._last[index[new]] = bits[new]
            if len(new) > MANY * len(bits) and self.present > BLOCK_FIRST:
                self._last = None
            bits = bits[new]
        if not len(bits):
            return
        hashes, turned = spot[: len(bits)], index[: len(bits)].view(np.uint64)
        np.multiply(bits, _FIRST, out=hashes)
        np.right_shift(hashes, _HALF, out=turned)
        np.bitwise_xor(hashes, turned, out=hashes)
        np.multiply(hashes, _SECOND, out=hashes)
        few = hashes[hashes < self._limit] if self._limit < _ALL else hashes
        if len(few):
            self._pending.append((few >> _HALF).astype(np.uint32))
            if sum(map(len, self._pending)) >= PENDING:
                self._keep()

    def _keep(self) -> None:
        """Take in the pending hashes. Those above the largest of KEPT need not be looked at any more."""
        if self._pending:
            self._hashes = smallest(np.concatenate([self._hashes, *self._pending]))
            self._pending = []
            if len(self._hashes) == KEPT:
                self._limit = np.uint64(self._hashes[-1]) << _HALF


def _float(values: pa.Array) -> pa.Array:
    return values.cast(pa.int8()).cast(pa.float64()) if pa.types.is_boolean(values.type) else values.cast(pa.float64())


def _categories(column: pa.ChunkedArray, axis: Axis) -> Summary:
    codes, missing, distinct = codes_of(column, axis)
    known = codes[codes >= 0]
    bins = np.bincount(known, minlength=axis.bins).astype(np.int64)
    unseen = len(column) - missing - len(known)
    return Summary(len(column), missing, unseen, bins, hashes=smallest(_hashed(distinct)))


def codes_of(column: pa.ChunkedArray, axis: Axis) -> tuple[npt.NDArray[np.int64], int, list[str]]:
    """Place in the vocabulary of each present value (-1: unseen, or missing), how many are missing, the distinct ones."""
    coded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    coded = coded.unify_dictionaries()
    if not coded.num_chunks:
        return np.empty(0, dtype=np.int64), 0, []
    known = coded.chunk(0).dictionary.cast(pa.string())
    found = pc.fill_null(pc.index_in(known, value_set=pa.array(axis.categories, pa.string())), -1).to_numpy()
    places = np.append(found, -1).astype(np.int64)  # missing values look up the last place
    indices = pa.chunked_array([chunk.indices for chunk in coded.chunks]).cast(pa.int64())
    codes: npt.NDArray[np.int64] = places[pc.fill_null(indices, len(known)).to_numpy()]
    seen = pc.unique(indices).drop_null()
    return codes, column.null_count, [str(category) for category in known.take(seen).to_pylist()]


def _hashed(categories: list[str]) -> Hashes:
    return np.array([zlib.crc32(category.encode()) for category in categories], dtype=np.uint32)
