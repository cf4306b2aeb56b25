"""What is known of rows once their labels are: the labels as numbers, and the columns that losses and metrics read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from include.metrics.arrays import Bools, Floats, Groups

DAY = 86_400_000_000  # microseconds

Outputs = npt.NDArray[np.floating[Any]]
"""What a model says of rows: [n] where it has one output, else [n, k] in the order of the problem's `outputs`."""


@dataclass(frozen=True)
class Truth:
    """`labels` float64 [n]; of classes, the place of each. `weight` [n], where rows count differently.

    `day` [n]: whole days since 1970 in UTC, for metrics of a day. `query` [n]: rows of one list have the same number.
    `costs`: by name, what a wrong decision of each row [n] costs.
    """

    labels: Floats
    weight: Floats | None = None
    day: Groups | None = None
    query: Groups | None = None
    costs: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Bools | Groups) -> Truth:
        """Of some rows: a mask [n], or their places."""
        weight = None if self.weight is None else self.weight[chosen]
        day, query = (None if each is None else each[chosen] for each in (self.day, self.query))
        return Truth(self.labels[chosen], weight, day, query, {name: each[chosen] for name, each in self.costs.items()})

    @property
    def weights(self) -> Floats:
        """[n]; ones where every row counts once."""
        return np.ones(len(self.labels)) if self.weight is None else self.weight
