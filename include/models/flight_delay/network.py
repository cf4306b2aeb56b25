"""The model: embeddings for categories, a small network over them and the standardised numbers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from include.backends.lightning.plan import Plan
from include.backends.lightning.warm import Places
from include.training.job import Floats


class DelayNetwork(nn.Module):
    """features [n, inputs] (category codes as floats, NaN is missing) to logits [n].

    A number enters twice: standardised, and as its place among the quantiles of the training rows (piecewise
    linear encoding; Gorishniy, Rubachev, Babenko 2022). The second is bounded: what was never seen, such as
    July's heat in a model trained until May, counts as the largest that was.
    """

    categories: Tensor
    numbers: Tensor
    mean: Tensor
    deviation: Tensor
    low: Tensor
    width: Tensor

    def __init__(self, plan: Plan, features: Floats) -> None:
        super().__init__()
        categories = [i for i, item in enumerate(plan.inputs) if item.is_category]
        numbers = [i for i, item in enumerate(plan.inputs) if not item.is_category]
        sizes = [plan.inputs[i].size for i in categories]
        dims = [embedded(size) for size in sizes]
        hidden, dropout = int(plan.params["hidden"]), float(plan.params["dropout"])
        bins = int(plan.params["bins"])

        self.register_buffer("categories", torch.tensor(categories, dtype=torch.long))
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.long))
        mean, deviation = moments(features[:, numbers])
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))
        edges = quantiles(features[:, numbers], bins)
        self.register_buffer("low", torch.tensor(edges[:, :-1]))
        self.register_buffer("width", torch.tensor(np.maximum(edges[:, 1:] - edges[:, :-1], 1e-6)))
        self.embeddings = nn.ModuleList(nn.Embedding(size, dim) for size, dim in zip(sizes, dims, strict=True))
        self.layers = nn.Sequential(
            nn.Linear((2 + bins) * len(numbers) + sum(dims), hidden), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        codes = features.index_select(1, self.categories).long()
        numbers = features.index_select(1, self.numbers)
        missing = torch.isnan(numbers)
        # A missing number is its mean, has no place, and has a flag. Outliers keep their sign, not their size.
        known = torch.where(missing, self.mean.expand_as(numbers), numbers)
        standard = ((known - self.mean) / self.deviation).clamp(-5, 5)
        place = ((known.unsqueeze(2) - self.low) / self.width).clamp(0, 1) * (~missing).float().unsqueeze(2)
        embedded = [table(codes[:, i]) for i, table in enumerate(self.embeddings)]
        logits: Tensor = self.layers(torch.cat([standard, place.flatten(1), missing.float(), *embedded], dim=1))
        return logits.squeeze(1)


def places_of(plan: Plan) -> dict[str, Places | None]:
    """What the places of the network's state mean, by the names of inputs and categories: for fits that begin from others'."""
    categories, numbers = ([each.name for each in plan.inputs if each.is_category is kind] for kind in (True, False))
    bins = range(int(plan.params["bins"]))
    wide = [f"{name}:{part}" for name in numbers for part in bins]
    found: dict[str, Places | None] = {"categories": None, "numbers": None}
    found |= {name: Places([numbers]) for name in ("mean", "deviation")}
    found |= {name: Places([numbers, None], name) for name in ("low", "width")}
    columns = [f"{name}:standard" for name in numbers] + wide + [f"{name}:missing" for name in numbers]
    for place, name in enumerate(categories):
        size = next(each.size for each in plan.inputs if each.name == name)
        rows = [f"{name}=?", *(f"{name}={each}" for each in plan.categories.get(name, ()))]
        dims = [f"{name}/{each}" for each in range(embedded(size))]
        found[f"embeddings.{place}.weight"] = Places([rows, dims], name)
        columns += dims
    found["layers.0.weight"] = Places([None, columns])
    return {f"network.{name}": each for name, each in found.items()}


def embedded(size: int) -> int:
    """Numbers that stand for a category of so many codes."""
    return min(16, 2 + size // 6)


class FlightDelay(pl.LightningModule):
    def __init__(self, plan: Plan, features: Floats) -> None:
        super().__init__()
        self.network, self.places = DelayNetwork(plan, features), partial(places_of, plan)
        self.rate, self.decay, self.steps = float(plan.params["learning_rate"]), 1e-2, plan.course.steps

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.network(features)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        return self._loss(batch, "train_loss")

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        return self._loss(batch, "validation_loss")

    def _loss(self, batch: tuple[Tensor, Tensor], name: str) -> Tensor:
        features, labels = batch
        loss = nn.functional.binary_cross_entropy_with_logits(self(features), labels)
        self.log(name, loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(labels))
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=self.decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.steps, eta_min=self.rate / 50)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def moments(numbers: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation float32 [columns] of what is there; 0 and 1 where nothing is."""
    known = ~np.isnan(numbers)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, numbers, 0).sum(axis=0, dtype=np.float64) / count
    square = np.where(known, (numbers - mean) ** 2, 0).sum(axis=0, dtype=np.float64) / count
    return mean.astype(np.float32), np.maximum(np.sqrt(square), 1e-3).astype(np.float32)


def quantiles(numbers: Floats, bins: int) -> Floats:
    """Edges float32 [columns, bins + 1] that hold equally many of the known values; 0 to 1 where none is known."""
    steps = np.linspace(0, 1, bins + 1)
    columns = [column[~np.isnan(column)] for column in numbers.T]
    edges = [np.quantile(column, steps) if len(column) else steps for column in columns]
    return np.stack(edges).astype(np.float32)
