"""What is said before an experiment starts, and that it comes true."""

from __future__ import annotations

import numpy as np
import pytest

from include.experiments.effect import effect
from include.experiments.moments import Moments
from include.experiments.sample_size import Traffic, chance, promise


def test_the_promised_power_is_met_or_passed() -> None:
    rng, n, experiments = np.random.default_rng(9), 400, 400
    said = promise(Traffic(n, 1.0, 0.5), weeks=2, minimum_effect=0.2, alpha=0.05, power=0.8)
    found = 0
    for _ in range(experiments):
        control, treatment = rng.standard_normal(n), rng.standard_normal(n) + 0.2
        found += float(effect(Moments.of(control), Moments.of(treatment), 2 * n, 0.05, final=True).p) <= 0.05
    assert found / experiments == pytest.approx(said.power, abs=0.06)
    assert said.power < said.power_once
    assert said.entities == 800


def test_the_weeks_needed_are_the_first_that_do() -> None:
    traffic = Traffic(500, 1.0, 0.5)
    said = promise(traffic, 1, 0.1, 0.05, 0.8)
    assert said.weeks_needed is not None
    assert said.weeks_needed > 1
    assert promise(traffic, said.weeks_needed, 0.1, 0.05, 0.8).power >= 0.8
    assert promise(traffic, said.weeks_needed - 1, 0.1, 0.05, 0.8).power < 0.8


def test_without_traffic_nothing_is_ever_seen() -> None:
    said = promise(Traffic(0, 1.0, 0.5), 2, 0.1, 0.05, 0.8)
    assert said.power == 0
    assert said.weeks_needed is None
    assert chance(0.1, 0.0, 2.0) == 1.0


def test_an_unequal_split_needs_longer() -> None:
    even, uneven = (promise(Traffic(500, 1.0, share), 1, 0.1, 0.05, 0.8).weeks_needed for share in (0.5, 0.1))
    assert even is not None
    assert uneven is not None
    assert uneven > 2 * even
