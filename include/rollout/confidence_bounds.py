"""When a challenger may be promoted: an exact upper bound on how often it errs, at fixed looks.

Two ways, half of beta each. *Ratio*: given s errors on both arms, the challenger's are Binomial(s, p_m) if it
errs m times as often as the champion; if so few are its own that this has a probability of at most the look's
level, its rate ratio is shown to be under m. *Rate*: the same for its own entities and an accepted rate, for
services that hardly ever err: no ratio can be bounded where nobody errs. In both an entity is one trial, by its
first request in the stage: neither many requests of one entity nor their likeness make the bound wrong.

The looks are at 1, 2, 4, 8, ... planned lengths of the stage; their levels add up to beta (Bonferroni), so a
challenger at the margin is promoted with a probability of at most beta, however long the stage waits.
Source: Clopper and Pearson (1934) for the bound; the conditional test is Przyborowski and Wilenski's (1940).

scipy is imported where it is asked for: it takes .2 s, and `slipstream rollback` imports this module without
needing a bound.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache

FIRST, SECOND = 0.6, 0.2  # of beta at the first two looks; each later one has half of the one before


def look_part(look: int) -> float:
    """The share of beta that is spent at look 0, 1, 2, ...: at 1, 2, 4, ... planned lengths."""
    return FIRST if look == 0 else SECOND / 2 ** (look - 1)


def odds_share(share: float, ratio: float) -> float:
    """The chance that an event is the challenger's if it has `ratio` times the champion's rate."""
    return share * ratio / (share * ratio + 1 - share)


@lru_cache(maxsize=4096)
def most_allowed(trials: int, p: float, level: float) -> int:
    """The largest count of hits that shows a chance below p: P(Binomial(trials, p) <= it) <= level. -1: none does."""
    if trials == 0 or p <= 0:
        return -1
    if p >= 1:
        return trials - 1
    from scipy.special import betaincc

    def at_most(hits: int) -> float:
        """P(Binomial(trials, p) <= hits): the complement of the incomplete beta function, at p and not at 1 - p, which rounds."""
        return float(betaincc(hits + 1, trials - hits, p))

    return bisect_right(range(trials), level, key=at_most) - 1


def fewest(p: float, level: float) -> int:
    """The least trials that show a chance below p where none is a hit; 0 where no number does."""
    return math.ceil(math.log(level) / math.log1p(-p)) if 0 < p < 1 else 0


def upper(hits: int, trials: int, level: float) -> float:
    """The upper Clopper-Pearson bound of a chance: values above it are ruled out at `level`. 1 without trials."""
    if trials == 0 or hits >= trials:
        return 1.0
    from scipy.special import betainccinv

    return float(betainccinv(hits + 1, trials - hits, level))


def upper_ratio(hits: int, events: int, share: float, level: float) -> float:
    """The upper bound of the rate ratio, given the challenger's `hits` among the `events` of both arms."""
    chance = upper(hits, events, level)
    return float("inf") if chance >= 1 else chance / (1 - chance) * (1 - share) / share
