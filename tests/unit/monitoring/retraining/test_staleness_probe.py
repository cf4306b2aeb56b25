from __future__ import annotations

import numpy as np
import pytest

from include.monitoring.retraining.staleness_probe import HORIZON, forecast, gaps

Floats = np.ndarray


def worlds(gap_by_age: Floats, noise: float = 0.0, seed: int = 0) -> Floats:
    """Errors [n, n] whose mean grows with the model's age as given; each window is as hard as it is."""
    rng, n = np.random.default_rng(seed), len(gap_by_age)
    hard = rng.uniform(0.1, 0.3, n)
    age = np.maximum(np.arange(n)[None, :] - np.arange(n)[:, None], 0)
    error = hard[None, :] + gap_by_age[age] + noise * rng.normal(size=(n, n))
    error[np.tri(n, k=-2, dtype=bool)] = np.nan
    return error


def before(error: Floats, now: int) -> Floats:
    seen = error[: now + 1, : now + 1].copy()
    seen[:, now - 1 :] = np.nan
    return seen


def first_retrain(error: Floats, price: float) -> int | None:
    return next((now for now in range(1, len(error)) if forecast(before(error, now), 0, price).worth), None)


def test_hard_windows_are_no_staleness() -> None:
    assert first_retrain(worlds(np.zeros(60)), 0.02) is None


def test_noise_alone_is_hardly_ever_paid_for() -> None:
    paid = 0
    for seed in range(6):
        error, champion = worlds(np.zeros(50), noise=0.01, seed=seed), 0
        for now in range(1, 50):
            if forecast(before(error, now), champion, 0.1).worth:
                paid, champion = paid + 1, now
    assert paid <= 9  # of 294 decisions


def test_steady_ageing_is_renewed_near_the_best_pace() -> None:
    """A gap that grows by g a window is best renewed every sqrt(2 c / g) windows: here 10."""
    error, champion, retrained = worlds(0.002 * np.arange(100)), 0, []
    for now in range(1, 100):
        if forecast(before(error, now), champion, 0.1).worth:
            retrained.append(now)
            champion = now
    pauses = np.diff(retrained[2:])  # the first two while the curve is learned
    assert 8 <= pauses.mean() <= 13


def test_a_model_that_fell_behind_for_good_is_replaced_at_once() -> None:
    error = worlds(np.zeros(40))
    error[:20, 20:] += 0.1  # the world changed before window 20: who was trained before it errs more
    assert first_retrain(error, 0.05) in (22, 23)  # its labels come a window late


@pytest.mark.parametrize("known", [0, 1, 2, 3])
def test_little_history_gives_an_answer(known: int) -> None:
    error = before(worlds(np.full(12, 0.01)), known + 1)
    found = forecast(error, 0, 0.1)
    assert found.windows == known
    assert not found.worth
    assert np.isfinite([found.excess, found.pace, found.saving]).all()


def test_a_higher_price_never_hastens() -> None:
    error = worlds(0.003 * np.arange(50), noise=0.01, seed=3)
    times = [first_retrain(error, price) or 99 for price in (0.01, 0.05, 0.1, 0.5)]
    assert times == sorted(times)
    assert forecast(before(error, 1), 0, 0.6).pace == pytest.approx(0.6 / (HORIZON + 1), abs=0.6 / HORIZON**2 * 2)


def test_a_gap_is_measured_against_the_models_that_were_fresh_then() -> None:
    error = worlds(0.01 * np.arange(6))
    found = gaps(error, 4)
    assert found[0, 3] == pytest.approx(0.03 - (0.01 + 0.0 + 0.0) / 3)
    assert np.isnan(found[3, 1])
