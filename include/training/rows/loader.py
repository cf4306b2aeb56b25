"""Batches of a streamed epoch from a step on: blocks are read ahead by a thread, and no more are in memory than are in use.

It keeps no state: the step alone says which rows come next, so a fit that was killed goes on in the middle of an epoch with
exactly the batches that it had before it. In memory are a block for each lane that is read, AHEAD more, and a few batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from include.core.storage import Storage
from include.training.rows.blocks import Part
from include.training.rows.layout import FEATURES, LABEL, WEIGHT
from include.training.rows.order import Order, Stretch, share

AHEAD = 4  # blocks that are read before they are needed
SPAN = 1 << 20  # bytes of features that are put together at once: as many batches as this holds, at least one

Array = NDArray[np.float32]
Arrays = tuple[Array, ...]  # features [n, width], labels [n], and weights [n] where the rows have them


@dataclass
class _Lane:
    """Rows of a lane that are in memory, from the next one that is needed on."""

    stretches: deque[tuple[Stretch, Future[Arrays]]] = field(default_factory=deque)
    arrays: Arrays | None = None

    @property
    def rows(self) -> int:
        return 0 if self.arrays is None else len(self.arrays[1])


@dataclass(frozen=True)
class Reader:
    """The training part as worker `rank` of `world` reads it."""

    part: Part
    storage: Storage
    order: Order
    rank: int = 0
    world: int = 1

    def batches(self, step: int) -> Iterator[Arrays]:
        """This worker's rows of each step from `step` (of all epochs) to the end of its epoch."""
        epoch, first = divmod(step, self.order.steps)
        lanes = share(self.order.lanes, self.rank, self.world)
        mine = slice(None) if self.order.lanes % self.world == 0 else slice(self.rank, None, self.world)
        for arrays in self._spans(epoch, first, lanes):
            for number in range(len(arrays[0])):
                yield tuple(array[number, mine] for array in arrays)

    def _spans(self, epoch: int, first: int, numbers: Sequence[int]) -> Iterator[Arrays]:
        """Several steps at once: arrays [steps, rows of these lanes, ...]."""
        each, left = self.order.each, self.order.steps - first
        most = max(1, SPAN // max(1, 4 * self.part.layout.width * each * len(numbers)))
        with ThreadPoolExecutor(1, thread_name_prefix="rows") as pool:
            queue = _Queue(self, pool, epoch, first * each, numbers)
            try:
                while left:
                    for lane in queue.lanes:
                        queue.fill(lane, each)
                    steps = min(left, most, *(lane.rows // each for lane in queue.lanes))
                    yield _together([_taken(lane, steps * each) for lane in queue.lanes], steps, each)
                    left -= steps
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def load(self, epoch: int, stretch: Stretch, skipped: int) -> Arrays:
        """The rows of a stretch in their order, without the first so many."""
        layout = self.part.layout
        wanted = [name for name in (FEATURES, LABEL, WEIGHT) if name in layout.names]
        rows = type(layout)(layout.width, layout.weights).rows(self.part.read(self.storage, stretch.block, wanted))
        places = self.order.permutation(epoch, stretch)[skipped:]
        return tuple(each[places] for each in (rows.features, rows.labels, rows.weights) if each is not None)


class _Queue:
    """The stretches of some lanes in the order in which they are needed, some of them read ahead."""

    def __init__(self, reader: Reader, pool: ThreadPoolExecutor, epoch: int, begin: int, numbers: Sequence[int]) -> None:
        self._reader, self._pool, self._epoch, self._begin = reader, pool, epoch, begin
        self.lanes = [_Lane() for _ in numbers]
        needed = [
            (stretch.start, place, stretch)
            for place, number in enumerate(numbers)
            for stretch in reader.order.lane(epoch, number)
            if stretch.start + stretch.rows > begin
        ]
        self._waiting = deque((place, stretch) for _, place, stretch in sorted(needed, key=lambda each: each[:2]))
        for _ in range(len(numbers) + AHEAD):
            self._read_ahead()

    def fill(self, lane: _Lane, rows: int) -> None:
        """Have at least so many rows of the lane in memory."""
        while lane.rows < rows:
            while not lane.stretches:  # the others are ahead of this one
                if not self._waiting:
                    raise RuntimeError("the order of an epoch has fewer rows than its batches")
                self._read_ahead()
            arrays = lane.stretches.popleft()[1].result()
            self._read_ahead()
            lane.arrays = arrays if not lane.rows else _joined(lane.arrays, arrays)

    def _read_ahead(self) -> None:
        if self._waiting:
            place, stretch = self._waiting.popleft()
            skipped = max(0, self._begin - stretch.start)
            future = self._pool.submit(self._reader.load, self._epoch, stretch, skipped)
            self.lanes[place].stretches.append((stretch, future))


def _joined(one: Arrays | None, other: Arrays) -> Arrays:
    return other if one is None else tuple(np.concatenate(pair) for pair in zip(one, other, strict=True))


def _taken(lane: _Lane, rows: int) -> Arrays:
    """The next so many rows of the lane, which then begins behind them."""
    arrays = lane.arrays or ()
    lane.arrays = tuple(each[rows:] for each in arrays)
    return tuple(each[:rows] for each in arrays)


def _together(parts: Sequence[Arrays], steps: int, each: int) -> Arrays:
    """Batches [steps, lanes * each, ...] of what the lanes give of them."""
    if len(parts) == 1:
        return tuple(array.reshape(steps, each, *array.shape[1:]) for array in parts[0])
    stacked = (np.stack([a.reshape(steps, each, *a.shape[1:]) for a in arrays], axis=1) for arrays in zip(*parts, strict=True))
    return tuple(array.reshape(steps, len(parts) * each, *array.shape[3:]) for array in stacked)
