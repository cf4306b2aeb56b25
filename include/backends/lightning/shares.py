"""The workers' shares of a batch. DDP and FSDP take the mean of what the workers' means give: of unequal shares that is not the
batch's mean, so a worker's loss counts by its share. A fit has the same gradients then whatever the number of its workers.

By rows: where rows have weights of their own, and the module divides by their sum, its mean is over the worker's share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, distributed

from include.backends.lightning.plan import Course, Place

if TYPE_CHECKING:
    from torch.optim import Optimizer


def factor(course: Course, place: Place) -> float:
    """What a worker's mean over its share of a batch counts in the mean over the workers: 1 where all shares are equal."""
    rows = min(course.batch_size, course.rows)
    mine = len(range(place.rank, rows, place.world))
    return place.world * mine / rows


class Shared:
    """A mixin of a strategy: each loss counts by the worker's share, in automatic and in manual optimisation."""

    factor = 1.0

    def backward(self, closure_loss: Tensor, optimizer: Optimizer | None, *args: Any, **kwargs: Any) -> Tensor:
        loss = closure_loss if self.factor == 1.0 else closure_loss * self.factor
        super().backward(loss, optimizer, *args, **kwargs)  # type: ignore[misc]
        return closure_loss


class SharedDDP(Shared, DDPStrategy):
    """DDP whose gradients are the batch's, whatever the shares. `factor` is the worker's own: see `factor` above."""

    def __init__(self, factor: float, **more: Any) -> None:
        super().__init__(**more)
        self.factor = factor


class PrivateDDP(DDPStrategy):
    """Workers of a fit by DP-SGD. Its optimizer sums what each has cut of its rows: torch's DDP would bring together gradients
    that are neither cut nor noisy, and a loss that counts by the worker's share would be cut as another."""

    def configure_ddp(self) -> None:
        """All begin from the first worker's weights; nothing is wrapped."""
        assert self.model is not None
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            distributed.broadcast(tensor.detach(), 0)
