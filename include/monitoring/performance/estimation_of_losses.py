"""What each row adds to a metric, and what of it the inputs tell: for metrics of which no row has a chance of a yes.

A row's pseudo value is the metric plus as many times its influence as there are rows: their mean is the metric, and of a mean of
losses they are those losses (Andersen, Klein, Rosthøj 2003). Their mean by the inputs is an additive regression.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from include.metrics.arrays import Floats
from include.metrics.errors import Influence

RIDGE = 50.0  # as of the recalibration of a score: chosen there, on simulated worlds


def pseudo_values(found: Influence) -> Floats:
    """[n], with the metric as their mean."""
    values: Floats = found.value + len(found.rows) * found.rows
    return values


def expected_loss(rows: npt.NDArray[np.float32], loss: Floats, sides: Sequence[npt.NDArray[np.float32]]) -> list[Floats]:
    """For each of `sides` [n, columns of codes] the losses [n] that an additive regression on `rows` expects there."""
    columns = rows.astype(np.float64)
    center = float(loss.mean())
    slopes = np.linalg.solve(columns.T @ columns + RIDGE * np.eye(columns.shape[1]), columns.T @ (loss - center))
    return [center + side.astype(np.float64) @ slopes for side in sides]
