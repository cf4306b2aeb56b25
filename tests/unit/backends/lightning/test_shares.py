"""Shares of a batch: the mean of what the workers say is the batch's, whether they are equal or not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from include.backends.lightning.plan import Course, Place
from tests.support.later import Later

pytestmark = pytest.mark.lives  # torch takes seconds to import

shares, data = Later("include.backends.lightning.shares"), Later("include.backends.lightning.data")


@pytest.mark.parametrize(("batch", "world"), [(32, 2), (33, 2), (32, 3), (7, 5), (5, 5)])
def test_the_mean_of_weighted_shares_has_the_gradients_of_the_batch(batch: int, world: int) -> None:
    import torch

    course = Course(rows=3 * batch + 1, batch_size=batch, epochs=1, seed=3)
    generator = torch.Generator().manual_seed(1)
    features, labels = torch.randn(course.rows, 4, generator=generator), torch.randn(course.rows, generator=generator)

    def gradient(place: Place) -> torch.Tensor:
        weights = torch.full((4,), 0.3, requires_grad=True)
        rows = next(iter(data.batches(course, 0, place)))
        loss = ((features[rows] @ weights - labels[rows]) ** 2).mean() * shares.factor(course, place)
        loss.backward()
        assert weights.grad is not None
        return weights.grad

    together = torch.stack([gradient(Place(rank, world)) for rank in range(world)]).mean(0)
    torch.testing.assert_close(together, gradient(Place()), rtol=1e-5, atol=1e-6)


def test_equal_shares_count_one_to_the_last_bit_and_all_count_the_batch() -> None:
    for world in range(1, 33):
        course = Course(rows=5000, batch_size=32 * world, epochs=1, seed=3)
        assert {shares.factor(course, Place(rank, world)) for rank in range(world)} == {1.0}
    uneven = Course(rows=5000, batch_size=100, epochs=1, seed=3)
    assert sum(shares.factor(uneven, Place(rank, 7)) for rank in range(7)) == pytest.approx(7)


def test_a_training_set_smaller_than_a_batch_is_the_batch() -> None:
    course = Course(rows=10, batch_size=100, epochs=1, seed=3)
    assert [shares.factor(course, Place(rank, 4)) for rank in range(4)] == pytest.approx([1.2, 1.2, 0.8, 0.8])


def test_a_strategy_backs_the_weighted_loss_and_leaves_what_is_logged_as_it_was() -> None:
    import torch

    backed: list[float] = []

    class Plain:
        def backward(self, loss: Any, optimizer: Any) -> None:
            backed.append(float(loss))

    strategy = type("Strategy", (shares.Shared, Plain), {"factor": 1.5})()
    loss = torch.tensor(2.0)
    assert strategy.backward(loss, SimpleNamespace()) is loss
    assert backed == [3.0]
