"""What performance is measured by, the same for a window, its slices, the holdout and the estimate before labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.metrics.arrays import Floats
from include.metrics.errors import influence

CLASS_ROWS = 20  # fewer rows of either class give no metric worth naming
DAY = 86_400_000_000  # microseconds


class Measured(NamedTuple):
    """A metric's value and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Terms:
    """The metric, how many rows it takes, and the score from which on the gateway says yes (`serving.threshold`)."""

    metric: str
    minimum_rows: int
    threshold: float

    def enough(self, label: Floats) -> bool:
        """Whether labels [n] are enough, and enough of either class."""
        return len(label) >= self.minimum_rows and smaller_class(label) >= CLASS_ROWS

    def measured(self, rows: pa.Table) -> Measured | None:
        """The metric on labelled rows; None where they are too few."""
        label, score, day = arrays(rows)
        return self.measured_arrays(label, score, day) if self.enough(label) else None

    def measured_arrays(self, label: Floats, score: Floats, day: npt.NDArray[np.int64]) -> Measured:
        """The metric of `arrays` [n], however few they are."""
        found = influence(self.metric, label, score, self.threshold)
        return Measured(found.value, found.error(day))


def smaller_class(label: Floats) -> int:
    """Rows of the rarer class."""
    positives = int(label.sum())
    return min(positives, len(label) - positives)


def arrays(rows: pa.Table) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Label, score and UTC day [n] of labelled rows (`label`, `score`, `event_time`)."""
    day = rows["event_time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // DAY
    return rows["label"].cast(pa.float64()).to_numpy(), rows["score"].cast(pa.float64()).to_numpy(), day
