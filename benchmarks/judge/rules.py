"""The peers' rules on the same streams, written from their documentation and source. Each returns [stages] of bool.

Argo Rollouts: a measurement is the canary's success rate since the last one; the analysis fails once more than
`failureLimit` measurements have failed (docs: features/analysis). Flagger: the canary is rolled back when the
failed checks reach `threshold` (docs: usage/how-it-works). Kayenta: Mann-Whitney over the two time series at a
confidence of .98 (NetflixACAJudge); its tolerance for small effects is left out, which makes it the stronger.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln
from scipy.stats import norm, rankdata

from benchmarks.judge.streams import Ints, Stream, coarse
from include.rollout.alpha_spending import law

Bools = NDArray[np.bool_]


def success_below(stream: Stream, looks: int, least: float) -> Bools:
    """[stages, looks]: the canary's success rate since the last look was below `least`."""
    canary, bad = coarse(stream.canary, looks), coarse(stream.bad_canary, looks)
    below: Bools = (canary > 0) & (canary - bad < least * canary)
    return below


def argo(stream: Stream, looks: int, least: float, limit: int) -> Bools:
    failed: Bools = success_below(stream, looks, least).sum(axis=1) > limit
    return failed


def flagger(stream: Stream, looks: int, least: float = 0.99, threshold: int = 5) -> Bools:
    failed: Bools = success_below(stream, looks, least).sum(axis=1) >= threshold
    return failed


def z_test(stream: Stream, looks: int, p: float = 0.05) -> Bools:
    """A two-sided two-sample z-test of the error rates so far, at each look; it counts if the canary is the worse."""
    champion, canary = (np.cumsum(coarse(each, looks), axis=1) for each in (stream.champion, stream.canary))
    ours, theirs = (np.cumsum(coarse(each, looks), axis=1) for each in (stream.bad_canary, stream.bad))
    pooled = (ours + theirs) / (canary + champion)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (ours / canary - theirs / champion) / np.sqrt(pooled * (1 - pooled) * (1 / canary + 1 / champion))
    worse: Bools = (np.nan_to_num(z) > norm.isf(p / 2)).any(axis=1)
    return worse


def kayenta(stream: Stream, points: int, confidence: float = 0.98) -> Bools:
    """The canary's error rates by minute are higher than the champion's."""
    ours = coarse(stream.bad_canary, points) / np.maximum(1, coarse(stream.canary, points))
    theirs = coarse(stream.bad, points) / np.maximum(1, coarse(stream.champion, points))
    return np.concatenate([_mann_whitney(a, b, confidence) for a, b in zip(_blocks(ours), _blocks(theirs), strict=True)])


def _mann_whitney(ours: NDArray[np.float64], theirs: NDArray[np.float64], confidence: float) -> Bools:
    points = ours.shape[1]
    ranks = rankdata(np.concatenate([ours, theirs], axis=1), axis=1)
    u = ranks[:, :points].sum(axis=1) - points * (points + 1) / 2
    spread = np.sqrt(points**2 / (2 * points * (2 * points - 1)) * ((ranks - ranks.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
    higher: Bools = (u - points**2 / 2) / np.maximum(spread, 1e-9) > norm.isf((1 - confidence) / 2)
    return higher


def _blocks(values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return np.array_split(values, max(1, len(values) // 2000))


def e_process(trials: Ints, hits: Ints, p: float, alpha: float, weight: float = 20.0) -> Bools:
    """Always valid: the mixture likelihood ratio with a Beta(p w, (1 - p) w) prior passes 1 / alpha (Lindon et al. 2022)."""
    a, b = p * weight, (1 - p) * weight
    own, all_ = np.cumsum(hits, axis=1), np.cumsum(trials, axis=1)
    evidence = betaln(a + own, b + all_ - own) - betaln(a, b) - own * np.log(p) - (all_ - own) * np.log1p(-p)
    passed: Bools = ((evidence >= -np.log(alpha)) & (own > p * all_)).any(axis=1)
    return passed


def fixed_sample(trials: Ints, hits: Ints, p: float, alpha: float) -> Bools:
    """The exact conditional test once, at the end: what no sequential test of that alpha is expected to beat by much."""
    total, own = trials.sum(axis=1), hits.sum(axis=1)
    different, place = np.unique(total, return_inverse=True)
    limits = np.array([int((np.cumsum(law(int(n), p)[::-1])[::-1] > alpha).sum()) for n in different])
    passed: Bools = own >= limits[place]
    return passed
