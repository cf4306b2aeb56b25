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

    def joined(self, other: Truth) -> Truth:
        """These rows, and then the other's. Lists of the other are none of these."""
        weight, day, query = (
            None if one is None or two is None else np.concatenate([one, two])
            for one, two in ((self.weight, other.weight), (self.day, other.day), (self.query, _apart(self.query, other.query)))
        )
        costs = {name: np.concatenate([each, other.costs[name]]) for name, each in self.costs.items()}
        return Truth(np.concatenate([self.labels, other.labels]), weight, day, query, costs)

    @property
    def weights(self) -> Floats:
        """[n]; ones where every row counts once."""
        return np.ones(len(self.labels)) if self.weight is None else self.weight


def _apart(known: Groups | None, other: Groups | None) -> Groups | None:
    """The other's numbers of lists, beyond all that are known."""
    if known is None or other is None or not len(known):
        return other
    moved: Groups = other - other.min(initial=0) + known.max() + 1
    return moved
