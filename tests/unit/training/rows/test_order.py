"""Which rows a batch has: from (seed, epoch, step) alone, each row once an epoch, as well mixed as is said."""

from __future__ import annotations

import numpy as np
import pytest

from include.training.rows.order import LANES, Order, lanes_of, share

ORDER = Order((40,) * 24 + (17,), 48, 7)


def rows_of(order: Order, epoch: int) -> np.ndarray:
    """The places of an epoch's rows in the stored sequence, int64 [steps, batch]."""
    starts = np.concatenate([[0], np.cumsum(order.sizes)])
    lanes = []
    for number in range(order.lanes):
        places = [starts[each.block] + order.permutation(epoch, each) for each in order.lane(epoch, number)]
        lanes.append(np.concatenate(places).reshape(order.steps, order.each))
    return np.concatenate(lanes, axis=1)


@pytest.mark.parametrize(("batch", "lanes"), [(1, 1), (7, 7), (17, 1), (64, 16), (480, 12), (512, 16), (1000, 10), (4096, 16)])
def test_a_batch_has_as_many_lanes_as_serve_most_numbers_of_workers(batch: int, lanes: int) -> None:
    assert lanes_of(batch) == lanes <= LANES


def test_every_row_comes_once_an_epoch_but_those_of_the_last_partial_batch() -> None:
    for epoch in range(3):
        rows = rows_of(ORDER, epoch).ravel()
        assert len(rows) == len(np.unique(rows)) == ORDER.steps * 48 == 960
        assert rows.max() < ORDER.rows == 977


def test_an_epoch_has_an_order_of_its_own_and_the_same_each_time() -> None:
    first, second = rows_of(ORDER, 0), rows_of(ORDER, 1)
    assert (first == rows_of(ORDER, 0)).all()
    assert (first == second).mean() < 0.01
    assert (first == rows_of(Order(ORDER.sizes, 48, 8), 0)).mean() < 0.01


@pytest.mark.parametrize("rows", [1, 5, 47, 48, 49])
def test_a_set_smaller_than_a_batch_is_one_batch(rows: int) -> None:
    order = Order((20,) * (rows // 20) + (rows % 20,) * bool(rows % 20), 48, 7)
    assert sorted(rows_of(order, 0).ravel()) == sorted(set(rows_of(order, 0).ravel()))
    assert order.steps == 1
    assert order.taken == min(rows, 48)


def test_workers_that_divide_the_lanes_read_shares_that_are_apart() -> None:
    for world in (1, 2, 4, 8, 16):
        lanes = [number for rank in range(world) for number in share(16, rank, world)]
        assert sorted(lanes) == list(range(16))
    assert list(share(16, 1, 3)) == list(range(16))


def test_a_batch_mixes_many_blocks_and_two_rows_of_one_block_meet_no_more_than_is_said() -> None:
    order = Order((50,) * 200, 80, 3)
    first, second = rows_of(order, 0), rows_of(order, 1)
    assert np.mean([len(np.unique(batch // 50)) for batch in first]) > 0.9 * order.lanes
    batch_of = np.empty(order.rows, np.int64)
    batch_of[second.ravel()] = np.repeat(np.arange(order.steps), 80)
    together = [len(batch) - len(np.unique(batch_of[batch])) for batch in first]  # of a batch those that meet again
    independent = 80 * 79 / 2 / order.steps  # of full permutations
    assert independent < np.mean(together) < 8 * independent
