"""The order of a streamed epoch: which rows of which blocks each global batch has, from (seed, epoch, step) alone.

The rows of a training set are put into random order once, when they are prepared, and cut into blocks: a block is a random
sample of the whole set, and the blocks one after the other are a uniform permutation. An epoch then

1. permutes the blocks,
2. deals the rows of that sequence to *lanes*, each an equal stretch of it,
3. permutes the rows within each block of a lane, and
4. takes for each global batch as many rows from every lane.

Lanes depend on the batch's size and on nothing else, so the global batches are the same on any number of workers. Worker r of w
reads the lanes r, r + w, ...: its share. Where w does not divide the lanes, each reads all, and they share each batch's rows.

**Quality.** The first order of all is a uniform permutation. In every epoch a batch is a uniform sample without replacement
of all rows, as that of a full permutation is: its mean is as good an estimate of the set's. What is not as in independent full
permutations is which rows meet: two rows of one block (a share of 1/blocks of all pairs) come within a lane's block of each
other in every epoch, and in the same batch more often. `make bench AREA=large_data` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LANES = 16  # at most: so many blocks are mixed at a time, and so many workers read shares of their own
_EPOCH, _BLOCK = 1, 2  # what a random stream is for, beside seed and place


@dataclass(frozen=True)
class Stretch:
    """Rows of one block that one lane takes: `rows` of them from `first` on, in their own permutation."""

    block: int
    first: int
    rows: int
    start: int  # the place of its first row in the lane


@dataclass(frozen=True)
class Order:
    """`sizes`: rows of each block; `batch`: rows of a global batch, of which there may be fewer where the set has fewer."""

    sizes: tuple[int, ...]
    batch: int
    seed: int

    @cached_property
    def rows(self) -> int:
        return sum(self.sizes)

    @cached_property
    def taken(self) -> int:
        """Rows of a global batch."""
        return min(self.batch, self.rows)

    @cached_property
    def steps(self) -> int:
        """Batches of an epoch: the last, partial batch is dropped."""
        return max(1, self.rows // self.batch)

    @cached_property
    def lanes(self) -> int:
        return lanes_of(self.taken)

    @property
    def each(self) -> int:
        """Rows that a batch takes of each lane."""
        return self.taken // self.lanes

    def lane(self, epoch: int, number: int) -> list[Stretch]:
        """What a lane reads in an epoch, in order."""
        order = np.random.default_rng([self.seed % 2**32, _EPOCH, epoch]).permutation(len(self.sizes))
        ends = np.cumsum(np.asarray(self.sizes, dtype=np.int64)[order])
        length = self.steps * self.each
        begin, end = number * length, (number + 1) * length
        found: list[Stretch] = []
        place = int(np.searchsorted(ends, begin, side="right"))
        at = begin
        while at < end:
            block = int(order[place])
            first = at - (int(ends[place]) - self.sizes[block])
            rows = min(int(ends[place]), end) - at
            found.append(Stretch(block, first, rows, at - begin))
            at, place = at + rows, place + 1
        return found

    def permutation(self, epoch: int, stretch: Stretch) -> Ints:
        """Places in the block of the stretch's rows, in their order."""
        draw = np.random.default_rng([self.seed % 2**32, _BLOCK, epoch, stretch.block, stretch.first])
        return stretch.first + draw.permutation(stretch.rows)


def lanes_of(batch: int) -> int:
    """Of the divisors of a batch's rows up to LANES the one that most numbers of workers divide; of several the largest."""
    found = [number for number in range(1, min(LANES, batch) + 1) if batch % number == 0]
    return max(found, key=lambda number: (sum(number % each == 0 for each in range(1, number + 1)), number))


def share(lanes: int, rank: int, world: int) -> Sequence[int]:
    """The lanes that a worker reads: its own where the workers divide them, else all."""
    return range(rank, lanes, world) if lanes % world == 0 else range(lanes)
