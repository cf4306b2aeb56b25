"""The exact alpha-spending boundary: how many hits among s trials are too many, however often one looks.

Under the null each trial hits with a known probability p, independently. The law of the running count is
walked forward trial by trial; at each trial the boundary is the smallest count whose crossing keeps the
probability of *ever* having crossed under alpha * min(1, s / horizon). What crosses is absorbed. So the
error is at most alpha at any number of looks, without an approximation.

Two uses. *Relative*: a trial is an error on either arm, a hit is one on the challenger, p is its share of
the entities. Conditioning on the errors of both arms makes an incident that hits both invisible to it.
*Absolute*: a trial is an entity, a hit is its error, p is the rate that is still accepted.

Sources: Lan and DeMets (1983), alpha spending; Lindon, Sanden and Shirikian (2022), sequential tests for
deployments at Netflix; the spending function is the one that measured best there and here.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).max
LONGEST = 20_000  # trials walked; later ones are not looked at


@lru_cache(maxsize=64)
def boundary(p: float, alpha: float, horizon: int, trials: int) -> tuple[int, ...]:
    """For s = 1 ... trials, the count of hits at which to stop (NEVER where no count is too many).

    `horizon` is the planned number of trials, by which all of alpha is spent.
    """
    walk = np.array([1.0])  # probability of each count without having crossed
    crossed, limits = 0.0, []
    for s in range(1, trials + 1):
        walk = np.convolve(walk, (1 - p, p))
        tails = np.cumsum(walk[::-1])[::-1]  # P(count >= k, not crossed before)
        allowed = np.flatnonzero(tails <= alpha * min(1.0, s / horizon) - crossed)
        if allowed.size and allowed[0] <= s:
            limit = int(allowed[0])
            crossed += float(tails[limit])
            walk = walk[:limit]
        else:
            limit = NEVER
        limits.append(limit)
    return tuple(limits)


def first_crossing(counts: NDArray[np.int64], p: float, alpha: float, horizon: int) -> int | None:
    """The trial (from 1) at which the running count reached the boundary, or None.

    `counts` holds the number of hits among the first 1, 2, ... trials.
    """
    if not counts.size or not counts[-1]:
        return None
    seen = counts[:LONGEST]
    limits = np.asarray(boundary(p, alpha, horizon, _rounded(len(seen))))[: len(seen)]
    over = np.flatnonzero(seen >= limits)
    return int(over[0]) + 1 if over.size else None


def _rounded(trials: int) -> int:
    """Up to a power of two: a growing stage reuses the boundary it has computed."""
    return min(LONGEST, 1 << max(4, (trials - 1).bit_length()))
