"""The plan's formula against simulation: the same differences, measured as the gate measures them."""

from __future__ import annotations

import numpy as np
import pytest

from include.core.spec import Regression
from include.metrics.paired import Difference, difference
from include.problems.holdout_plan import Assumed, AssumedLoss, Spread, lost
from include.problems.of import PLAIN, problem_of
from include.problems.stated import stated

MARGIN, ALPHA = 0.01, 0.025


def passes(seen: Difference, margin: float = MARGIN) -> bool:
    return bool(seen.worse <= margin and seen.upper(ALPHA) <= margin)


def within(share: float, chance: float, tries: int) -> bool:
    """Four standard errors: fails by chance once in some 15,000 runs of another seed; the seeds here are fixed."""
    return abs(share - chance) <= 4 * (chance * (1 - chance) / tries) ** 0.5


@pytest.mark.parametrize(("metric", "margin"), [("auc", 0.02), ("log_loss", 0.01)])
def test_the_chance_of_passing_is_that_of_simulated_holdouts_of_independent_rows(metric: str, margin: float) -> None:
    world, rows, tries = Assumed(auc=0.7, rate=0.3, alike=0.9), 1200, 300
    spread = world.spread(metric, rows)
    assert spread is not None
    passed = 0
    for seed in range(tries):
        labels, first, second = world.draw(rows, seed)
        passed += passes(difference(metric, labels, first, second, np.zeros(rows, dtype=np.int64), 0.5), margin)
    assert within(passed / tries, spread.chance(rows, 0.0, margin, ALPHA), tries)


def test_the_chance_of_passing_is_that_of_simulated_days_where_days_differ() -> None:
    """Accuracy: the challenger is right more often on some days, and less on others."""
    random, days, each, tries = np.random.default_rng(1), 12, 100, 400
    groups = np.repeat(np.arange(days), each)
    labels = np.ones(days * each)
    seen = []
    for _ in range(tries):
        share = np.repeat(np.clip(0.8 + 0.05 * random.standard_normal(days), 0, 1), each)
        ours, theirs = (random.random(days * each) < p for p in (share, 0.8))
        seen.append(difference("accuracy", labels, ours.astype(float), theirs.astype(float), groups, 0.5))
    by_day = [one for one in seen if one.freedom == days - 1]
    assert len(by_day) > tries * 0.75  # days do differ by more than their rows
    error = float(np.sqrt(np.mean([one.error**2 for one in seen])))
    chance = Spread(error, days * each, days, by_day=True).chance(days, 0.0, 0.06, ALPHA)
    assert 0.5 < chance < 0.99
    passed = sum(passes(one, 0.06) for one in seen)
    assert abs(passed / tries - chance) < 0.06  # the larger of two errors counts: the plan's is between them


def test_the_planned_holdout_passes_as_often_as_it_was_planned_for() -> None:
    world, tries = Assumed(auc=0.75, rate=0.3, alike=0.9), 200
    spread = world.spread("auc", 1000)
    assert spread is not None
    rows = spread.needed(0.0, 0.03, ALPHA)
    assert rows is not None
    passed = 0
    for seed in range(tries):
        labels, first, second = world.draw(rows, seed + 10_000)
        passed += passes(difference("auc", labels, first, second, np.zeros(rows, dtype=np.int64), 0.5), 0.03)
    assert within(passed / tries, 0.8, tries)


def test_what_is_needed_is_the_fewest_that_reach_the_power() -> None:
    spread = Spread(error=0.005, rows=1000, units=7, by_day=True)
    days = spread.needed(0.0, MARGIN, ALPHA)
    assert days is not None
    assert spread.chance(days, 0.0, MARGIN, ALPHA) >= 0.8 > spread.chance(days - 1, 0.0, MARGIN, ALPHA)
    assert spread.rows_of(days) == -(-1000 * days // 7)


def test_a_challenger_that_is_behind_by_the_margin_passes_with_no_number_of_rows() -> None:
    spread = Spread(error=0.005, rows=1000, units=1000, by_day=False)
    assert spread.needed(MARGIN, MARGIN, ALPHA) is None
    ahead, alike, behind = (spread.needed(worse, MARGIN, ALPHA) for worse in (-0.01, 0.0, 0.005))
    assert 0 < (ahead or 0) < (alike or 0) < (behind or 0)


@pytest.mark.parametrize("freedom", [998, 1001])
def test_students_law_and_the_normal_one_meet_where_one_follows_the_other(freedom: int) -> None:
    spread = Spread(error=0.005, rows=1000, units=1000, by_day=False)
    assert abs(spread.chance(freedom + 1, 0.0, MARGIN, ALPHA) - 0.515) < 0.01


@pytest.mark.parametrize("seen", [Difference(0.0, float("nan"), 5, 20), Difference(0.0, 0.0, 19, 20)])
def test_rows_that_tell_no_error_give_no_spread(seen: Difference) -> None:
    assert Spread.of(seen) is None


def test_whether_days_or_rows_are_what_is_independent_is_read_from_the_difference() -> None:
    by_day, by_row = Spread.of(Difference(0.0, 0.1, 6, 1000)), Spread.of(Difference(0.0, 0.1, 999, 1000))
    assert by_day is not None
    assert by_row is not None
    assert (by_day.units, by_day.by_day, by_row.units, by_row.by_day) == (7, True, 1000, False)


def test_a_difference_in_words() -> None:
    assert [lost(stated(PLAIN, "auc"), worse) for worse in (-0.01, 0.0, 0.005)] == [
        "ahead by 0.0100 AUC", "as good as the champion", "behind by 0.0050 AUC",
    ]  # fmt: skip
    minutes = stated(problem_of(Regression(scale=5, unit="minutes")), "mae")
    assert lost(minutes, 0.5) == "behind by 0.5000 minutes mean absolute error"


def test_the_spread_of_a_mean_loss_is_that_of_simulated_differences() -> None:
    random, rows, alike = np.random.default_rng(2), 400, 0.8
    common, one, other = random.standard_normal((3, 2000, rows))
    losses = [3.0 * (np.sqrt(alike) * common + np.sqrt(1 - alike) * own) for own in (one, other)]
    seen = float((losses[0] - losses[1]).mean(axis=1).std())
    assert AssumedLoss(3.0, alike).spread(rows).error == pytest.approx(seen, rel=0.06)
