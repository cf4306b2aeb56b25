"""Simulated stages: what each slice brings to each arm. Arrays are [stages, slices] counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.rollout.alpha_spending import SLICES

Ints = NDArray[np.int64]
FINE = 3 * SLICES  # 600: divides into the judge's 200 slices and into the peers' 10 and 60 looks


@dataclass(frozen=True)
class Stream:
    """Requests and errors of both arms by fine slice, and the errors counted once per client."""

    champion: Ints  # requests
    canary: Ints
    bad: Ints  # failed requests of the champion
    bad_canary: Ints
    marks: Ints  # clients of the champion that met an error
    marks_canary: Ints

    def counted(self) -> tuple[Ints, Ints]:
        """What the judge counts: events of both arms and of the canary, by its own slices."""
        return coarse(self.marks + self.marks_canary, SLICES), coarse(self.marks_canary, SLICES)


def coarse(counts: Ints, parts: int) -> Ints:
    """[stages, fine] summed to [stages, parts]."""
    summed: Ints = counts.reshape(len(counts), parts, -1).sum(axis=2)
    return summed


@dataclass(frozen=True)
class Traffic:
    """How a stage's requests come about. `incident`: (first, last, rate) in shares of the stage, on both arms."""

    requests: int = 20_000
    share: float = 0.05
    base: float = 0.01
    ratio: float = 1.0
    burst: float = 1.0  # mean failures in a row of one client
    incident: tuple[float, float, float] | None = None


def simulate(traffic: Traffic, stages: int, rng: np.random.Generator) -> Stream:
    """One request a client, except that a client that fails does so `burst` times on average (geometric)."""
    ends = np.linspace(0, traffic.requests, FINE + 1).round().astype(np.int64)
    requests = np.diff(ends)
    rates = np.full(FINE, traffic.base)
    if traffic.incident is not None:
        first, last, rate = traffic.incident
        rates[int(first * FINE) : int(last * FINE)] = rate
    canary = rng.binomial(requests, traffic.share, (stages, FINE))
    scale = 1 / traffic.burst  # a failing client fails `burst` times: so many fewer clients fail
    marks = rng.binomial(requests - canary, rates * scale)
    marks_canary = rng.binomial(canary, np.minimum(1.0, rates * traffic.ratio) * scale)
    bad, bad_canary = (_bursts(each, traffic.burst, rng) for each in (marks, marks_canary))
    # Who fails asks again, so a burst brings its own requests where it has more than the slice.
    return Stream(np.maximum(bad, requests - canary), np.maximum(bad_canary, canary), bad, bad_canary, marks, marks_canary)


def _bursts(marks: Ints, burst: float, rng: np.random.Generator) -> Ints:
    """Failed requests of so many failing clients: a sum of geometric numbers."""
    if burst == 1.0:
        return marks
    more = rng.negative_binomial(np.maximum(marks, 1), 1 / burst)
    return np.where(marks > 0, marks + more, 0)


def latency_marks(traffic: Traffic, stages: int, rng: np.random.Generator, baseline: int) -> dict[str, tuple[Ints, Ints]]:
    """Events of both arms and of the canary over the champion's p50, p90 and p99, all three of the same answers.

    The champion's quantiles are those of `baseline` earlier answers: an order statistic of uniform numbers.
    """
    quantiles = (0.5, 0.9, 0.99)
    known = np.sort(rng.random((stages, baseline)), axis=1)[:, [round(q * baseline) - 1 for q in quantiles]]
    edges = np.concatenate([np.zeros((stages, 1)), known, np.ones((stages, 1))], axis=1)
    chances = np.diff(edges, axis=1)[:, None, :]
    per_slice = traffic.requests // SLICES
    canary = rng.binomial(per_slice, traffic.share, (stages, SLICES))
    arms = [_multinomial(rng, counts, chances) for counts in (per_slice - canary, canary)]
    over = [np.cumsum(arm[..., ::-1], axis=2)[..., ::-1][..., 1:] for arm in arms]  # over p50, p90, p99
    names = ("latency_p50", "latency_p90", "latency_p99")
    return {name: ((over[0] + over[1])[..., n], over[1][..., n]) for n, name in enumerate(names)}


def _multinomial(rng: np.random.Generator, counts: Ints, chances: NDArray[np.float64]) -> Ints:
    return rng.multinomial(counts, np.broadcast_to(chances, (*counts.shape, chances.shape[-1])))
