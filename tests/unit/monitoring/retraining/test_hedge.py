from __future__ import annotations

import numpy as np
import pytest

from include.monitoring.retraining.hedge import followed, place, weights


def test_without_losses_the_prior_is_trusted() -> None:
    assert weights([3.0, 1.0], [2.0, 2.0], 5.0) == pytest.approx([0.75, 0.25])


def test_who_lost_less_is_trusted_more_and_large_losses_do_not_overflow() -> None:
    assert weights([1.0, 1.0], [0.0, 2.0], 1.0) == pytest.approx([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))])
    assert weights([1.0, 1.0], [1e6, 1e6 + 1], 1e3) == pytest.approx([1.0, 0.0])


def test_a_place_follows_the_member_that_holds_it() -> None:
    trust = np.array([0.5, 0.0, 0.5])
    assert [followed(trust, draw) for draw in (0.0, 0.49, 0.51, 0.99, 1.0)] == [0, 0, 2, 2, 2]


def test_the_follower_switches_no_more_than_weights_move() -> None:
    """Over uniform places, no larger a share switches than twice what weights lose, summed over the members."""
    before, after = np.array([0.7, 0.2, 0.1]), np.array([0.4, 0.3, 0.3])
    draws = (np.arange(1000) + 0.5) / 1000
    switched = np.mean([followed(before, draw) != followed(after, draw) for draw in draws])
    assert switched <= 2 * np.maximum(before - after, 0).sum()
    assert np.mean([followed(after, draw) == 1 for draw in draws]) == pytest.approx(0.3)


def test_a_model_has_its_place_for_ever() -> None:
    places = [place(f"model {n}") for n in range(500)]
    assert place("flight_delay") == place("flight_delay")
    assert 0 < min(places) < 0.05
    assert 0.95 < max(places) < 1
    assert np.mean(places) == pytest.approx(0.5, abs=0.05)
