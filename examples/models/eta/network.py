"""One network, three answers: the middle of the delays that are possible, and the bounds of an interval around it.

The middle is what absolute error asks for, the bounds are quantiles (Koenker and Bassett 1978): each is learnt by its own pinball
loss. The bounds are distances from the middle, so that they cannot cross it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from include.training.job import Floats, Input

Doubles = NDArray[np.float64]

MINUTES = 30.0  # one unit of what the network computes in


class DelayNetwork(nn.Module):
    """features [n, inputs] (category codes as floats, each known; NaN is missing) to value, low and high [n, 3], in minutes.

    A number enters twice: standardised, and as its place among the quantiles of the training rows (piecewise linear encoding;
    Gorishniy, Rubachev, Babenko 2022). The second is bounded: what was never seen, such as July's heat in a model trained until
    May, counts as the largest that was.
    """

    categories: Tensor
    numbers: Tensor
    mean: Tensor
    deviation: Tensor
    low: Tensor
    width: Tensor
    margin: Tensor

    def __init__(self, inputs: Sequence[Input], features: Floats, labels: Floats, params: Mapping[str, Any]) -> None:
        super().__init__()
        categories = [place for place, each in enumerate(inputs) if each.is_category]
        numbers = [place for place, each in enumerate(inputs) if not each.is_category]
        sizes = [inputs[place].size for place in categories]
        dims = [min(16, 2 + size // 6) for size in sizes]
        hidden, bins, dropout = int(params["hidden"]), int(params["bins"]), float(params["dropout"])
        self.register_buffer("categories", torch.tensor(categories, dtype=torch.long))
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.long))
        known = features[:, numbers].astype(np.float64)
        self.register_buffer("mean", _float(np.nan_to_num(np.nanmean(known, axis=0))))
        self.register_buffer("deviation", _float(np.maximum(np.nan_to_num(np.nanstd(known, axis=0)), 1e-3)))
        edges = np.nan_to_num(np.nanquantile(known, np.linspace(0, 1, bins + 1), axis=0).T)
        self.register_buffer("low", _float(edges[:, :-1]))
        self.register_buffer("width", _float(np.maximum(edges[:, 1:] - edges[:, :-1], 1e-6)))
        self.register_buffer("margin", torch.zeros(1))  # minutes, by which the interval is widened (`calibrate`)
        self.embeddings = nn.ModuleList(nn.Embedding(size, dim) for size, dim in zip(sizes, dims, strict=True))
        self.layers = nn.Sequential(
            nn.Linear((2 + bins) * len(numbers) + sum(dims), hidden), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(hidden, 3),
        )  # fmt: skip
        self._begin_at(np.quantile(labels.astype(np.float64), [0.5, 0.05, 0.95]) / MINUTES)

    def forward(self, features: Tensor) -> Tensor:
        codes = features.index_select(1, self.categories).long()
        numbers = features.index_select(1, self.numbers)
        missing = torch.isnan(numbers)
        # A missing number is its mean, has no place, and has a flag. Outliers keep their sign, not their size.
        known = torch.where(missing, self.mean.expand_as(numbers), numbers)
        standard = ((known - self.mean) / self.deviation).clamp(-5, 5)
        place = ((known.unsqueeze(2) - self.low) / self.width).clamp(0, 1) * (~missing).float().unsqueeze(2)
        embedded = [table(codes[:, i]) for i, table in enumerate(self.embeddings)]
        found = self.layers(torch.cat([standard, place.flatten(1), missing.float(), *embedded], dim=1)) * MINUTES
        value = found[:, :1]
        below = (nn.functional.softplus(found[:, 1:2] / MINUTES) * MINUTES + self.margin).clamp(min=0)
        above = (nn.functional.softplus(found[:, 2:3] / MINUTES) * MINUTES + self.margin).clamp(min=0)
        return torch.cat([value, value - below, value + above], dim=1)

    def _begin_at(self, quantiles: Doubles) -> None:
        """The last layer's first answers are the label's own quantiles, whatever the row."""
        middle, low, high = (float(each) for each in quantiles)
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.copy_(torch.tensor([middle, _inverse_softplus(middle - low), _inverse_softplus(high - middle)]))

    def calibrate(self, outputs: Floats, labels: Floats, interval: float) -> None:
        """Widen (or narrow) the interval until it holds its share of rows that were not fitted.

        Conformalised quantile regression: Romano, Patterson, Candès 2019. `outputs` are those of `forward`, without a margin.
        """
        outside = np.maximum(outputs[:, 1] - labels, labels - outputs[:, 2])
        share = min(1.0, interval * (1 + 1 / len(labels)))
        self.margin.fill_(float(np.quantile(outside, share, method="higher")))


def pinball(outputs: Tensor, labels: Tensor, interval: float) -> Tensor:
    """The mean of the three losses, in minutes."""
    tail = (1 - interval) / 2
    levels = torch.tensor([0.5, tail, 1 - tail])
    error = labels.unsqueeze(1) - outputs
    return torch.maximum(levels * error, (levels - 1) * error).mean()


def _float(values: Doubles) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _inverse_softplus(value: float) -> float:
    return float(np.log(np.expm1(max(value, 1e-3))))
