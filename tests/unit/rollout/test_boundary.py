"""The boundary against simulation and against exact arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from include.rollout.boundary import NEVER, boundary, first_crossing

REPEATS = 4000


def crossings(
    base: float, ratio: float, *, requests: int = 20_000, share: float = 0.05, champion_base: float | None = None
) -> float:
    """How often a stage rolls back, looked at after every error. alpha .05, planned for an error rate of 1 percent."""
    rng = np.random.default_rng(11)
    limits = np.asarray(boundary(share, 0.05, round(requests * 0.01), 4096))
    canary = int(requests * share)
    rolled = 0
    for _ in range(REPEATS):
        bad = rng.binomial(canary, min(1.0, base * ratio))
        marks = np.zeros(bad + rng.binomial(requests - canary, champion_base or base), dtype=np.int64)
        marks[:bad] = 1
        rng.shuffle(marks)
        rolled += bool((np.cumsum(marks) >= limits[: len(marks)]).any())
    return rolled / REPEATS


@pytest.mark.parametrize("base", [0.001, 0.01, 0.03])  # .03: an incident on both arms, not planned for
def test_false_rollbacks_stay_at_alpha_however_often_one_looks(base: float) -> None:
    noise = 3 * (0.05 * 0.95 / REPEATS) ** 0.5
    assert crossings(base, 1) <= 0.05 + noise


def test_power_is_what_the_notes_measured() -> None:
    """Notes, methods: linear spending .77 at 2x, .994 at 3x, 1.0 at 5x."""
    assert crossings(0.01, 2) > 0.74
    assert crossings(0.01, 3) > 0.98
    assert crossings(0.01, 5) > 0.999


def test_crossing_probability_is_exactly_under_the_spending_function() -> None:
    """Every path of 10 trials enumerated: P(crossed by trial s) <= alpha s / horizon."""
    p, alpha, horizon, trials = 0.3, 0.2, 10, 10
    limits = np.asarray(boundary(p, alpha, horizon, trials))
    paths = (np.arange(2**trials)[:, None] >> np.arange(trials)) & 1
    weights = np.prod(np.where(paths == 1, p, 1 - p), axis=1)
    over = np.maximum.accumulate(np.cumsum(paths, axis=1) >= limits, axis=1)
    spent = weights @ over
    assert (spent <= alpha * np.arange(1, trials + 1) / horizon + 1e-12).all()
    assert spent[-1] > 0.5 * alpha  # and it does spend


def test_the_first_trials_cannot_reach_a_boundary_that_costs_more_than_was_spent() -> None:
    assert boundary(0.05, 0.05, 200, 4) == (NEVER, NEVER, 3, 3)


def test_first_crossing_names_the_trial() -> None:
    assert first_crossing(np.array([1, 2, 3, 4]), 0.05, 0.05, 200) == 3
    assert first_crossing(np.array([0, 0, 0, 1]), 0.05, 0.05, 200) is None
    assert first_crossing(np.array([], dtype=np.int64), 0.05, 0.05, 200) is None
