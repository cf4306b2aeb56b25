"""Networks of equal layers, as large as asked for. A file of its own: it imports torch."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from include.backends.lightning.plan import Plan
from include.training.job import Floats


class Deep(pl.LightningModule):
    """`layers` residual layers of `width` weights squared. `optimizer`: "sgd" keeps nothing of a weight, "adam" two values."""

    def __init__(self, inputs: int, width: int, layers: int, optimizer: str) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, 1)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.optimizer = optimizer

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.first(features)
        for layer in self.layers:
            hidden = hidden + torch.tanh(layer(hidden)) / len(self.layers)
        logits: Tensor = self.last(hidden)
        return logits.squeeze(1)

    def training_step(self, batch: Any, _: int) -> Tensor:
        loss = binary_cross_entropy_with_logits(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("validation_loss", binary_cross_entropy_with_logits(self(batch[0]), batch[1]), sync_dist=True)

    def configure_optimizers(self) -> Any:
        of = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[self.optimizer]
        return of(self.parameters(), 1e-3)


def build(plan: Plan, features: Floats) -> Deep:
    params = plan.params
    return Deep(features.shape[1], int(params["width"]), int(params["layers"]), str(params["optimizer"]))
