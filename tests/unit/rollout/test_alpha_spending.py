"""The boundary against exact enumeration and against simulation; the bounds against their definition."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from include.rollout.alpha_spending import OCTAVE, SLICES, boundaries, first_crossings, law, slice_ends, slice_of, spent
from include.rollout.confidence_bounds import look_part, most_allowed, odds_share, upper, upper_ratio

STAGES = 1500


def streams(base: float, ratio: float, *, requests: int = 20_000, share: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Errors on both arms and on the canary, by stage and slice."""
    rng = np.random.default_rng(11)
    canary = rng.binomial(round(requests * share / SLICES), min(1.0, base * ratio), (STAGES, SLICES))
    champion = rng.binomial(round(requests * (1 - share) / SLICES), base, (STAGES, SLICES))
    return canary + champion, canary


@pytest.mark.parametrize("base", [0.001, 0.01, 0.03])
def test_false_rollbacks_stay_at_alpha_however_often_one_looks(base: float) -> None:
    trials, hits = streams(base, 1)
    rolled = (first_crossings(0.05, 0.05, trials, hits) >= 0).mean()
    assert rolled <= 0.05 + 3 * (0.05 * 0.95 / STAGES) ** 0.5


def test_power_is_above_the_goal_and_detection_is_early() -> None:
    for ratio, goal in ((2, 0.75), (3, 0.99), (5, 0.999)):
        crossed = first_crossings(0.05, 0.05, *streams(0.01, ratio))
        assert (crossed >= 0).mean() > goal
    at = first_crossings(0.05, 0.05, *streams(0.01, 3))
    assert np.median(np.where(at < 0, SLICES, at)) <= 0.3 * SLICES


def test_the_crossing_probability_is_exactly_under_the_spending_function() -> None:
    """Every path of ten slices with 0, 1 or 2 trials enumerated: P(crossed by then) <= alpha spent(t), and most is spent."""
    p, alpha, trials = 0.3, 0.2, np.array([1, 0, 2, 1, 1, 2, 0, 1, 1, 1])
    times = np.arange(1, 11) / 10
    limits = boundaries(p, alpha, trials[None, :], times)[0]
    spending = np.zeros(10)
    for path in product(*(range(n + 1) for n in trials)):
        chance = np.prod([comb(n, k) * p**k * (1 - p) ** (n - k) for n, k in zip(trials, path, strict=True)])
        spending += chance * (np.maximum.accumulate(np.cumsum(path) >= limits))
    allowed = alpha * spent(times)
    assert (spending <= allowed + 1e-12).all()
    assert spending[-1] > 0.5 * alpha


def test_cutting_the_far_tail_off_changes_no_boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = np.full((1, SLICES), 20)
    cut = boundaries(0.05, 0.05, trials)
    monkeypatch.setattr("include.rollout.alpha_spending.Walk._trim", lambda self: None)
    assert (boundaries(0.05, 0.05, trials) == cut).all()


def test_walks_side_by_side_are_the_same_as_alone() -> None:
    trials, _ = streams(0.01, 1)
    together = boundaries(0.05, 0.05, trials[:300])
    assert all((boundaries(0.05, 0.05, trials[n : n + 1])[0] == together[n]).all() for n in (0, 255, 256, 299))


def test_spending_rises_to_one_and_keeps_something_for_the_wait() -> None:
    shares = spent(slice_ends(SLICES + 20 * OCTAVE))
    assert (np.diff(shares) > 0).all()
    assert shares[SLICES - 1] == pytest.approx(0.95)
    assert 0.99 < shares[-1] < 1.0


@pytest.mark.parametrize("planned", [1, 7, 60, 2000])
def test_a_slice_is_complete_when_its_end_is_reached(planned: int) -> None:
    ends = slice_ends(SLICES + 6 * OCTAVE)
    for requests in [*range(3 * planned), *range(3 * planned, 60 * planned, 1 + planned // 3)]:
        complete = slice_of(requests, planned)
        assert complete == np.searchsorted(ends, requests / planned + 1e-9, side="right")


def test_a_slice_without_events_cannot_cross() -> None:
    none = np.zeros((1, SLICES), np.int64)
    assert first_crossings(0.05, 0.05, none, none)[0] == -1


def test_the_law_of_a_slice_is_the_binomial_one() -> None:
    assert law(7, 0.3) == pytest.approx([comb(7, k) * 0.3**k * 0.7 ** (7 - k) for k in range(8)])
    assert law(100_000, 0.05).sum() == pytest.approx(1, abs=1e-9)
    assert list(law(0, 0.3)) == [1.0]


@pytest.mark.parametrize(("trials", "p", "level"), [(20, 0.2, 0.05), (200, 0.116, 0.0175), (3, 0.5, 0.01), (1000, 0.05, 0.025)])
def test_most_allowed_is_the_largest_count_under_the_level(trials: int, p: float, level: float) -> None:
    def below(k: int) -> float:
        return sum(comb(trials, j) * p**j * (1 - p) ** (trials - j) for j in range(k + 1))

    found = most_allowed(trials, p, level)
    assert below(found) <= level < below(found + 1)


def test_nothing_is_shown_by_nothing() -> None:
    assert most_allowed(0, 0.5, 0.05) == -1
    assert upper(0, 0, 0.05) == 1.0
    assert upper_ratio(3, 3, 0.05, 0.05) == float("inf")


def test_upper_bounds_are_clopper_pearsons() -> None:
    assert upper(0, 100, 0.05) == pytest.approx(1 - 0.05 ** (1 / 100), abs=1e-6)
    bound = upper_ratio(10, 200, 0.05, 0.025)
    assert (
        most_allowed(200, odds_share(0.05, bound * 1.001), 0.025)
        >= 10
        > most_allowed(200, odds_share(0.05, bound * 0.999), 0.025)
    )


def test_the_looks_share_beta() -> None:
    assert sum(look_part(look) for look in range(60)) == pytest.approx(1)
