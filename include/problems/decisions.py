"""What an author's decision function gives, held to what a decision is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from include.core.errors import DataError
from include.metrics.arrays import Groups
from include.problems.truth import Outputs

SHOWN = 5


def decided_by(function: Callable[[Outputs], Groups], outputs: Outputs, choices: int) -> Groups:
    """The decisions [n] that the function makes of outputs [n] or [n, k]: whole numbers from 0 to below `choices`.

    Raises DataError for anything else: a fraction that is cut off, or a column beside a row, would count as other decisions.
    What the function raises comes out.
    """
    found = np.asarray(function(outputs))
    whole = found.dtype.kind in "biuf" and bool(np.isfinite(found).all()) and bool((found == np.floor(found)).all())
    if found.shape == (len(outputs),) and whole and bool(((found >= 0) & (found < choices)).all()):
        return found.astype(np.int64)
    raise DataError(
        f"The decision function {getattr(function, '__name__', '')!r} must give one whole number from 0 to {choices - 1} a row.",
        seen=f"{found.dtype} of shape {list(found.shape)} for {len(outputs)} rows, beginning {found.ravel()[:SHOWN].tolist()}",
        safe="nothing was decided by it.",
        hint="return an int array [n]: 0 or 1, or the place of a class in the spec's classes.",
    )
