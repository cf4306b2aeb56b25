"""Where a search looks at a fit: after so many epochs, at a rung, it is measured and leaves, to be gone on with or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from include.core.json_types import Json

Outputs = NDArray[np.float32]


class RungReached(Exception):
    """The fit is where its search looks at it. No failure: it passes through an author's `fit`, which does not catch it."""


@dataclass
class Rung:
    """A part of a fit: from the end of epoch `start` to that of epoch `until`, of all that `params["epochs"]` says.

    `donor`: the parameters that the weights at `start` were trained with, where they are others than the job's.
    """

    until: int
    start: int = 0
    donor: Mapping[str, Json] | None = None
    epochs: int = field(default=0, init=False)  # that were done when it was measured
    outputs: Outputs | None = field(default=None, init=False)  # of the validation rows
    history: list[dict[str, float]] = field(default_factory=list, init=False)

    def reach(self, epochs: int, outputs: Outputs, history: Sequence[Mapping[str, float]] = ()) -> NoReturn:
        """Say what the model gives for the validation rows after so many epochs, and leave the fit. Less than `until`: it has
        ended by itself, and will not go on.

        Everything that the fit needs to go on must be in `job.checkpoints`.
        """
        self.epochs, self.outputs, self.history = epochs, np.asarray(outputs, dtype=np.float32), [dict(row) for row in history]
        raise RungReached(f"epoch {epochs}")
