"""Several metrics under one error probability: S. Holm, A simple sequentially rejective multiple test procedure, 1979; or a
hierarchy, in which each metric is asked only if all before it have answered.

Both take p-values that are valid at every look, and so hold at every look themselves.
"""

from __future__ import annotations

from collections.abc import Mapping


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """The adjusted p-values, by metric: at most alpha is what Holm's procedure rejects."""
    adjusted: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(p, key=lambda each: p[each])):
        largest = max(largest, min(1.0, (len(p) - place) * p[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p}


def hierarchy(p: Mapping[str, float]) -> dict[str, float]:
    """The same in the stated order: each is as large as the largest before it."""
    adjusted, largest = {}, 0.0
    for name, value in p.items():
        largest = adjusted[name] = max(largest, value)
    return adjusted
