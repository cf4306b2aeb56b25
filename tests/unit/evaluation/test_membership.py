from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from include.evaluation.membership import Guess, attack, guesses
from tests.support.effort import effort

MEMBER = np.repeat([True, False], 2000)
DAY = np.arange(4000) // 50


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=4000)


def test_a_coin_has_no_advantage() -> None:
    found = attack(Guess("loss", noise(1), noise(2)), MEMBER, [DAY], seed=3)
    assert found["low"] < 0 < found["high"]
    assert found["excess_low"] < 0 < found["excess_high"]
    assert found["auc"] == pytest.approx(roc_auc_score(MEMBER, noise(1)), abs=1e-6)
    assert found["found_low"] <= found["found"] <= found["found_high"] < 0.04


def test_members_that_look_otherwise_are_found() -> None:
    found = attack(Guess("loss", noise(1) + MEMBER, noise(2)), MEMBER, [], seed=3)
    assert found["advantage"] == pytest.approx(0.383, abs=0.05)  # two normals, one apart: 2 F(1/2) - 1
    assert found["excess_low"] > 0.25
    assert found["found"] == pytest.approx(0.092, abs=0.05)  # 1 - F(2.326 - 1)


def test_what_time_gives_away_is_no_membership() -> None:
    """Both models see that later rows are harder; only one of them saw the members."""
    later = 0.8 * MEMBER
    naive = attack(Guess("loss", noise(1) + later, noise(2) + later), MEMBER, [], seed=3)
    assert naive["low"] > 0.2
    assert naive["excess_low"] < 0 < naive["excess_high"]
    assert naive["control"] == pytest.approx(naive["advantage"], abs=0.08)


def test_rows_of_an_entity_are_no_independent_witnesses() -> None:
    """Eighty entities whose rows all look alike: the interval is that of eighty, not of four thousand."""
    alike = np.random.default_rng(5).normal(size=80)[DAY]
    by_row = attack(Guess("loss", alike), MEMBER, [], seed=3)
    by_entity = attack(Guess("loss", alike), MEMBER, [DAY], seed=3)
    assert by_entity["high"] - by_entity["low"] > 3 * (by_row["high"] - by_row["low"])
    assert by_entity["found_high"] - by_entity["found_low"] > by_row["found_high"] - by_row["found_low"]


@pytest.mark.thorough
def test_intervals_hold_what_is_true() -> None:
    """A coin's excess is outside of its interval of 95 % one time in twenty."""
    draws = effort(60, 1000)
    outside = 0
    for seed in range(draws):
        found = attack(Guess("loss", noise(2 * seed), noise(2 * seed + 1)), MEMBER, [], seed)
        outside += not found["excess_low"] <= 0 <= found["excess_high"]
    assert outside <= (8 if draws == 60 else 70)  # 50 expected of 1000, three standard errors more


def test_attacks_are_made_of_what_there_is() -> None:
    one = np.zeros(3)
    assert [each.name for each in guesses({"model": one}, {"model": None})] == ["loss"]
    every = {"model": one, "reference": one + 2, "control": one + 1}
    made = guesses(every, {"model": one, "control": one})
    assert [each.name for each in made] == ["loss", "confidence", "calibrated"]
    assert made[2].model.tolist() == [2, 2, 2]
    assert made[2].control is not None
    assert made[2].control.tolist() == [1, 1, 1]
