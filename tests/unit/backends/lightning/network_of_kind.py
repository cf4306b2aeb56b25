"""A module for any kind of problem. A file of its own: it imports torch."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch

from include.backends.lightning.plan import Plan


class OfKind(pl.LightningModule):
    """One layer, as many numbers as the problem has outputs; the loss by the link, weighted where a batch has weights."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.link, self.l = plan.link, torch.nn.Linear(3, len(plan.outputs))

    def forward(self, x: Any) -> Any:
        said = self.l(x)
        return said.squeeze(1) if said.shape[1] == 1 else said

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        said, label = self(batch[0]), batch[1]
        if self.link == "softmax":
            loss = torch.nn.functional.cross_entropy(said, label.long(), reduction="none")
        elif self.link == "interval":
            loss = (said - label[:, None]).abs().sum(dim=1)
        else:
            loss = (said - label).abs()
        return (loss * batch[2]).mean() if len(batch) == 3 else loss.mean()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        assert len(batch) in (2, 3)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.05)
