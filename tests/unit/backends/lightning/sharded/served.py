"""A module of the parts that exporters treat each in its own way. A file of its own: it imports torch."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import Tensor, nn


class Served(pl.LightningModule):
    """A table, layers, attention, a tied weight, a weight of its own, a buffer, batch norm."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.table, self.linear = nn.Embedding(5, 8), nn.Linear(3, 8)
        self.tied = nn.Linear(8, 5, bias=False)
        self.tied.weight = self.table.weight
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
        self.norm, self.own, self.last = nn.BatchNorm1d(8), nn.Parameter(torch.randn(8, 8)), nn.Linear(5, 1)
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.linear(features[:, :3]) + self.table(features[:, 3].long()) - self.mean
        hidden = self.layer(hidden[:, None, :])[:, 0]
        logits: Tensor = self.last(self.tied(torch.relu(self.norm(hidden @ self.own))))
        return logits.squeeze(1)
