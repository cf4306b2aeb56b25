from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from include.monitoring.drift.divergences import chi_square, kl, ks, psi, psi_noise, wasserstein

EVEN = np.array([100.0, 100.0, 100.0, 100.0])
TILTED = np.array([40.0, 80.0, 120.0, 160.0])


@pytest.mark.parametrize("distance", [psi, kl, ks, lambda a, b: wasserstein(a, b, 1.0)])
def test_a_set_of_rows_lies_at_no_distance_from_itself_and_at_some_from_another(distance: object) -> None:
    assert callable(distance)
    assert distance(EVEN, EVEN) == pytest.approx(0, abs=1e-12)
    assert distance(TILTED, EVEN) > 0.05


def test_the_same_shares_of_more_rows_never_look_nearer() -> None:
    for distance in (psi, kl):
        far = [float(distance(TILTED * times, EVEN)) for times in (0.05, 0.5, 1, 10)]
        assert far == sorted(far)


def test_an_empty_bin_leaves_every_distance_finite() -> None:
    empty, full = np.array([0.0, 400.0]), np.array([400.0, 0.0])
    assert all(np.isfinite(distance(empty, full)) for distance in (psi, kl, ks))
    assert ks(empty, full) == 1


def test_wasserstein_is_the_work_of_moving_the_rows_by_cells() -> None:
    a, b = np.array([10.0, 0.0, 0.0]), np.array([0.0, 0.0, 10.0])
    assert wasserstein(a, b, 0.5) == pytest.approx(1.0)


def test_chi_square_is_scipys_over_the_bins_that_hold_anything() -> None:
    statistic, p_value = chi_square(np.array([*TILTED, 0.0]), np.array([*EVEN, 0.0]))
    known = stats.chi2_contingency(np.stack([TILTED, EVEN]), correction=False)
    assert (float(statistic), float(p_value)) == pytest.approx((known.statistic, known.pvalue))


def test_distances_of_many_windows_at_once_are_those_of_each() -> None:
    many = np.stack([EVEN, TILTED, TILTED[::-1]])
    for distance in (psi, kl, ks):
        assert distance(many, EVEN) == pytest.approx([float(distance(one, EVEN)) for one in many])


def test_the_noise_of_psi_is_what_samples_of_one_distribution_have() -> None:
    draw, share = np.random.default_rng(3), np.array([0.1, 0.2, 0.3, 0.4])
    found = psi(draw.multinomial(2000, share, 4000).astype(float), draw.multinomial(5000, share, 4000).astype(float))
    mean, variance = psi_noise(4, np.array(2000.0), np.array(5000.0))
    assert found.mean() == pytest.approx(float(mean), rel=0.1)
    assert found.var() == pytest.approx(float(variance), rel=0.2)
