"""The check of the arms' sizes: it finds one percent, forgives chance, and knows unequal splits."""

from __future__ import annotations

import numpy as np

from include.experiments.sample_ratio import sample_ratio_p


def test_it_finds_one_percent_of_200_000_entities() -> None:
    assert float(sample_ratio_p(98_000, 102_000, 0.5)) < 1e-6
    assert float(sample_ratio_p(99_950, 100_050, 0.5)) == 1.0


def test_an_unequal_split_is_held_to_its_own_share() -> None:
    assert float(sample_ratio_p(90_000, 10_000, 0.1)) == 1.0
    assert float(sample_ratio_p(90_000, 10_000, 0.5)) < 1e-6


def test_an_arm_without_traffic_is_found() -> None:
    assert float(sample_ratio_p(500, 0, 0.5)) < 0.001
    assert float(sample_ratio_p(0, 0, 0.5)) == 1.0


def test_however_often_one_looks_chance_is_rarely_blamed() -> None:
    rng = np.random.default_rng(4)
    treated = rng.binomial(100, 0.3, (2000, 200)).cumsum(axis=1)
    seen = np.arange(1, 201) * 100
    assert (sample_ratio_p(seen - treated, treated, 0.3) <= 0.05).any(axis=1).mean() <= 0.05
