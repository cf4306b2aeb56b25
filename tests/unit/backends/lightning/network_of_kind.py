"""Modules for any kind of problem. A file of its own: it imports torch."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

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


class Plain(nn.Module):
    """Of torch alone."""

    def __init__(self, inputs: int, outputs: int, *, interval: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)
        self.interval = interval

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.layer(torch.nan_to_num(features).clamp(-10, 10))
        if not self.interval:
            return found
        width = nn.functional.softplus(found[:, 1:])
        return torch.stack([found[:, 0], found[:, 0] - width[:, 0], found[:, 0] + width[:, 1]], dim=1)
