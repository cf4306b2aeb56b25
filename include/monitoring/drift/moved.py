"""How far a column has moved, in words that a person understands without knowing the statistic."""

from __future__ import annotations

from include.monitoring.drift.distance import Distance, Windows
from include.monitoring.formatting import number
from include.monitoring.profile.binning import Axis

CLEAR = 3.0  # a mean that moved this far is reported as such, even if the shape moved further


def moved(axis: Axis, d: Distance, here: Windows) -> str:
    """`precip mean is 3.1 times its usual spread above the training windows (0.021, usually 0.004)`."""
    if axis.numeric and abs(d.shift) >= min(d.shape, CLEAR):
        further = f", its distribution {d.shape:.1f} times" if d.shape > abs(d.shift) else ""
        side = "above" if d.shift > 0 else "below"
        return (
            f"{axis.name} mean is {abs(d.shift):.1f} times its usual spread {side} the training windows "
            f"({number(float(here.mean))}, usually {number(d.usual_mean)})" + further
        )
    what = "mix" if axis.dtype == "category" else "distribution"
    return f"{axis.name} {what} is {d.shape:.1f} times its usual spread away from the training windows (PSI {d.psi:.2f})"
