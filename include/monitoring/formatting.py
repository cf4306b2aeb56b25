"""Verdicts as a person understands them without knowing the statistic."""

from __future__ import annotations

from collections.abc import Sequence

from include.monitoring.drift.distance import Distance, Windows
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


def number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share == 0 or share >= 0.01 else f"{100 * share:.1g}%"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
