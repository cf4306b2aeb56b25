"""The difference of two arms: what CUPED takes off, and what is said where nothing can be."""

from __future__ import annotations

import numpy as np
import pytest

from include.experiments.effect import effect
from include.experiments.moments import Moments


def arms(correlation: float, more: float, n: int = 4000) -> tuple[Moments, Moments]:
    rng = np.random.default_rng(1)

    def arm(shift: float) -> Moments:
        before = rng.standard_normal(n)
        value = correlation * before + np.sqrt(1 - correlation**2) * rng.standard_normal(n)
        return Moments.of(value + shift, before=before)

    return arm(0.0), arm(more)


def test_the_variance_falls_by_the_square_of_the_correlation() -> None:
    plain, reduced = (effect(*arms(0.5, 0.1), planned=8000, alpha=0.05, cuped=cuped) for cuped in (False, True))
    assert float(reduced.reduction) == pytest.approx(0.25, rel=0.1)
    assert float(reduced.half) < float(plain.half)
    assert float(plain.reduction) == 0.0
    assert float(plain.slope) == 0.0
    assert float(reduced.low) < 0.1 < float(reduced.high)


def test_without_a_past_cuped_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    control, treatment = Moments.of(rng.random(50)), Moments.of(rng.random(50))
    plain, reduced = (effect(control, treatment, 100, 0.05, cuped=cuped) for cuped in (False, True))
    assert float(plain.half) == float(reduced.half)


@pytest.mark.parametrize(
    ("one", "two"), [([1.0, 1.0], [1.0, 1.0]), ([0.0], [1.0, 2.0]), ([], [1.0, 2.0]), ([1.0, 1.0], [2.0, 2.0])]
)
def test_of_constant_or_missing_arms_nothing_is_said(one: list[float], two: list[float]) -> None:
    seen = effect(Moments.of(np.array(one)), Moments.of(np.array(two)), 100, 0.05, final=True)
    assert np.isinf(seen.half)
    assert float(seen.p) == 1.0


def test_a_difference_is_found_at_the_planned_end_that_is_not_before() -> None:
    control, treatment = arms(0.0, 0.055)
    before, at_end = (effect(control, treatment, 8000, 0.05, final=final) for final in (False, True))
    assert float(before.p) > 0.05 >= float(at_end.p)
    assert float(at_end.low) > 0 > float(before.low)
