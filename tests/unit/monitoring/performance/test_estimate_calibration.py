from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from include.monitoring.performance.comparison import Performance
from include.monitoring.performance.estimate_calibration import Landed, backtest, believe, lag, nothing, record
from include.monitoring.performance.estimation import Raw
from include.monitoring.performance.terms import Terms
from tests.unit.monitoring.performance.known_world import AXES, HOLDOUT

BASE, NOISE = 0.75, 0.01
AUC = Terms("auc", 200, 0.5)
RAW = Raw(value=0.72, error=0.003, base=BASE, base_error=NOISE, noise=NOISE)


def landed(realised: list[float], estimates: list[float] | None = None) -> list[Landed]:
    seen = estimates or [BASE] * len(realised)
    return [Landed(f"w{n}", estimate, BASE, value, NOISE) for n, (estimate, value) in enumerate(zip(seen, realised, strict=True))]


def noisy(values: list[float], seed: int) -> list[float]:
    return [
        value + NOISE * each for value, each in zip(values, np.random.default_rng(seed).normal(size=len(values)), strict=True)
    ]


def test_where_its_moves_came_true_it_is_believed() -> None:
    moves = [0.70, 0.78, 0.73, 0.69, 0.77, 0.74]
    found = believe(RAW, landed(noisy(moves, 1), moves), AUC)
    assert found.value == pytest.approx(0.72, abs=0.012)
    assert found.error is not None
    assert 0.002 < found.error < 0.02
    assert found.summary.startswith("AUC before labels: about 0.7")


def test_where_none_of_its_moves_came_true_they_are_left_out() -> None:
    moves = [0.60, 0.85, 0.65, 0.88, 0.62, 0.86, 0.90, 0.61]
    found = believe(replace(RAW, value=0.6), landed(noisy([BASE] * 8, 2), moves), AUC)
    assert found.value is None or abs(found.value - BASE) < 0.02


def test_an_offset_that_stays_is_learned() -> None:
    found = believe(replace(RAW, value=BASE), landed(noisy([0.65] * 6, 3)), AUC)
    assert found.value == pytest.approx(0.65, abs=0.015)


def test_a_meaning_that_has_just_moved_silences_it() -> None:
    found = believe(RAW, landed(noisy([BASE] * 7, 4)) + landed([0.55]), AUC)
    assert (found.verdict, found.value) == ("abstain", None)
    assert "What a label means has just moved." in found.summary


def test_estimates_worse_than_nothing_silence_it() -> None:
    moves = [0.75, 0.60, 0.90, 0.60, 0.90, 0.60, 0.90, 0.75]
    truth = [0.75, 0.90, 0.60, 0.60, 0.90, 0.90, 0.60, 0.75]
    found = believe(RAW, landed(truth, moves), AUC)
    assert found.verdict == "abstain"
    assert "only labels tell" in found.summary


def test_windows_that_differ_of_themselves_widen_the_error() -> None:
    calm, wild = (believe(RAW, landed(noisy([BASE] * 8, 5)), AUC), believe(RAW, landed([BASE + d for d in WILD]), AUC))
    assert calm.error is not None
    assert wild.error is None or wild.error > 2 * calm.error


WILD = (0.05, -0.06, 0.04, -0.05, 0.06, -0.04, 0.05, -0.05)


def test_without_a_record_or_an_estimate_it_abstains_and_says_why() -> None:
    assert "2 earlier windows have their labels; 3 are needed" in believe(RAW, landed([BASE] * 2), AUC).summary
    assert believe(replace(RAW, why="So far."), landed([BASE] * 9), AUC).summary == "No AUC before labels: So far."
    assert nothing("Nobody kept it.", Terms("log_loss", 200)).summary == "No log loss before labels: Nobody kept it."
    assert believe(RAW, landed(noisy([BASE] * 6, 6)), AUC).to_json()["raw"]["value"] == 0.72


def test_the_record_takes_the_newest_knowledge_of_each_window() -> None:
    history = [
        {"window": "a", "estimate": 0.7, "base": BASE, "realised": 0.71, "noise": 0.01},
        {"window": "b", "estimate": 0.7, "base": BASE, "realised": None, "noise": None},
        {"window": "c", "estimate": 0.7, "base": BASE, "realised": None, "noise": None},
    ]
    better = {
        name: Performance("measured", "", "auc", 500, 0.2, {"auc": value}, {"auc": 0.02})
        for name, value in (("a", 0.69), ("b", 0.73))
    }
    found = record([Landed("holdout", 0.7, BASE, 0.7, 0.01).to_json()], history, better)
    assert [(each.window, each.realised) for each in found] == [("holdout", 0.7), ("a", 0.69), ("b", 0.73)]


def test_the_lag_counts_windows_to_the_newest_landed_one() -> None:
    past = [Landed("2013-03-25/2013-04-01", 0.7, BASE, 0.7, 0.01)]
    assert lag("2013-04-01/2013-04-08", past) == 1
    assert lag("2013-04-15/2013-04-22", past) == 3
    assert lag("2013-04-15/2013-04-22", []) == 1


def test_a_champion_starts_with_the_record_of_its_holdout() -> None:
    found = backtest(HOLDOUT, AXES, AUC, timedelta(days=7))
    assert found[0].window == "2013-03-01/2013-03-08"
    assert len(found) == 4
    assert all(abs(each.estimate - each.realised) < 5 * each.noise for each in found)
    assert backtest(HOLDOUT.slice(0, 700), AXES, AUC, timedelta(days=28)) == []


def test_an_interval_that_says_nothing_is_not_reported() -> None:
    loud = [Landed(f"w{n}", BASE + d, BASE, BASE + 0.9 * d, 0.2) for n, d in enumerate((0.1, -0.1, 0.08, -0.09))]
    found = believe(replace(RAW, value=BASE), loud, AUC)
    assert found.verdict == "abstain"
    assert "it could be anything from 0." in found.summary
