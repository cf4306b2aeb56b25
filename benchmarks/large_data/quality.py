"""How well a streamed epoch is shuffled, beside a full permutation and beside the buffer that loaders commonly shuffle with.

Rows are numbered by time. Three figures an order, each 1 where it is that of a full permutation:

- the variance of a batch's mean number, over that of a random sample of its size: how far batches lean to some of the time;
- the mean distance in one epoch of two rows that shared a batch in the one before, over n/3;
- how many pairs of a batch meet in one batch of the next epoch again, over what chance gives.

The last is where blocks show: a batch has some rows of one block in each lane, and the block stays together. It does no harm that
we know of, since what a batch holds is a random sample all the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.table import Table
from include.training.rows.order import Order

ROWS, BATCH, BLOCK, BUFFER = 1_000_000, 512, 4096, 65_536  # as of a set of a million rows; the buffer holds a lane's blocks
EPOCHS = 3
Epoch = Callable[[int], np.ndarray]


def quality(table: Table) -> None:
    table.head(f"shuffle: {ROWS:,} rows by time, batches of {BATCH}, {EPOCHS} epochs; 1 is a full permutation")
    for name, epoch, goal in (
        ("a full permutation each epoch", _full, False),
        (f"a buffer of {BUFFER:,} rows over rows by time", _buffer, False),
        (f"streamed: blocks of {BLOCK:,} rows", _streamed(), True),
    ):
        orders = [epoch(number) for number in range(EPOCHS)]
        lean = float(np.mean([_lean(order) for order in orders]))
        table.row(f"{name}: variance of batch means", lean, "", most=1.06 if goal else None)
        table.row(f"{name}: distance of former batch mates", _distance(*orders[:2]), "", least=0.9 if goal else None)
        table.row(f"{name}: pairs that meet again", _again(*orders[:2]), "", most=2.0 if goal else None)


def _full(epoch: int) -> np.ndarray:
    return np.random.default_rng([5, epoch]).permutation(ROWS)


def _buffer(epoch: int) -> np.ndarray:
    """Of the rows in the buffer one drawn at random is given, and the next row takes its place."""
    draw, given = np.random.default_rng([6, epoch]), np.empty(ROWS, np.int64)
    held, places = np.arange(BUFFER), draw.integers(0, BUFFER, ROWS - BUFFER)
    for number, place in enumerate(places.tolist()):
        given[number] = held[place]
        held[place] = BUFFER + number
    given[ROWS - BUFFER :] = draw.permutation(held)
    return given


def _streamed() -> Epoch:
    """The stored sequence is a uniform permutation, as `prepare` makes it."""
    stored = np.random.default_rng(7).permutation(ROWS)
    sizes = (BLOCK,) * (ROWS // BLOCK) + ((ROWS % BLOCK,) if ROWS % BLOCK else ())
    order, starts = Order(sizes, BATCH, 7), np.concatenate([[0], np.cumsum(sizes)])

    def epoch(number: int) -> np.ndarray:
        lanes = []
        for lane in range(order.lanes):
            places = [starts[each.block] + order.permutation(number, each) for each in order.lane(number, lane)]
            lanes.append(np.concatenate(places).reshape(order.steps, order.each))
        rows: np.ndarray = stored[np.concatenate(lanes, axis=1).ravel()]
        return rows

    return epoch


def _lean(order: np.ndarray) -> float:
    means = order[: len(order) // BATCH * BATCH].reshape(-1, BATCH).mean(axis=1)
    expected = (ROWS**2 - 1) / 12 / BATCH * (ROWS - BATCH) / (ROWS - 1)  # without replacement
    return float(np.mean((means - (ROWS - 1) / 2) ** 2) / expected)


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    place = np.full(ROWS, -1)
    place[second] = np.arange(len(second))
    batches = place[first[: len(first) // BATCH * BATCH].reshape(-1, BATCH)]
    one = batches[:, np.random.default_rng(8).permutation(BATCH)]
    known = (batches >= 0) & (one >= 0) & (batches != one)
    return float(np.abs(batches - one)[known].mean() / (ROWS / 3))


def _again(first: np.ndarray, second: np.ndarray) -> float:
    steps = ROWS // BATCH
    batch = np.full(ROWS, -1)
    batch[second[: steps * BATCH]] = np.repeat(np.arange(steps), BATCH)
    pairs = 0
    for rows in first[: steps * BATCH].reshape(steps, BATCH):
        counts = np.bincount(batch[rows][batch[rows] >= 0])
        pairs += int((counts * (counts - 1) // 2).sum())
    return pairs / (steps * BATCH * (BATCH - 1) / 2 / steps)


if __name__ == "__main__":
    quality(Table())
