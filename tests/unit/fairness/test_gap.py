"""How far groups are apart: what is believable of it holds as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.fairness.estimate import Clusters, Estimate, mean
from include.fairness.gap import Gap, farthest_off, widened, widest_difference, widest_ratio
from tests.support.effort import effort

ALONE = Clusters()


def shares(counts: dict[str, tuple[int, int]]) -> dict[str, Estimate]:
    """Of each group so many of so many."""
    total = sum(rows for _, rows in counts.values())
    values, found, start = np.zeros(total), {}, 0
    for _, (name, (ups, rows)) in enumerate(counts.items()):
        inside = np.zeros(total, dtype=np.bool_)
        inside[start : start + rows] = True
        values[start : start + ups] = 1.0
        start += rows
        each = mean(values, inside, np.ones(total), ALONE, share=True)
        assert each is not None
        found[name] = each
    return found


def one(gap: Gap | None) -> Gap:
    assert gap is not None
    return gap


def test_the_widest_of_all_groups_and_what_is_believable_of_it() -> None:
    figure = shares({"a": (300, 1000), "b": (500, 1000), "c": (40, 100)})
    gap = one(widest_difference([figure], 0.025, 0.025))
    assert (gap.value, gap.between) == (0.2, ("b", "a"))
    assert 0.13 < gap.low < 0.2 < gap.high < 0.28
    ratio = one(widest_ratio([figure], 0.025, 0.025))
    assert (ratio.value, ratio.between) == (0.6, ("a", "b"))
    assert 0.5 < ratio.low < 0.6 < ratio.high < 0.71
    more = shares({"a": (300, 1000), "b": (500, 1000)})
    assert one(widest_difference([more], 0.025, 0.025)).low > gap.low  # fewer pairs to be lucky with


def test_of_one_group_or_none_nothing_is_apart() -> None:
    assert widest_difference([shares({"a": (3, 30)})], 0.05, 0.05) is None
    assert widest_ratio([{}], 0.05, 0.05) is None
    assert farthest_off({}, 0.05, 0.05) is None
    assert widened([{}], [{}], ALONE, 0.05, 0.05) is None


def test_a_group_of_which_nobody_is_selected_has_a_ratio_of_nothing() -> None:
    gap = one(widest_ratio([shares({"a": (0, 50), "b": (20, 40)})], 0.025, 0.025))
    assert (gap.value, gap.low) == (0, 0)
    assert 0 < gap.high < 0.3
    assert widest_ratio([shares({"a": (0, 50), "b": (0, 40)})], 0.025, 0.025) is None


def test_a_bias_is_held_against_nothing_at_all() -> None:
    draw = np.random.default_rng(1)
    values, inside = draw.normal(size=900) - 0.5, np.arange(900) < 400
    figure = {"a": mean(values, inside, np.ones(900), ALONE, share=False)}
    gap = one(farthest_off({name: each for name, each in figure.items() if each is not None}, 0.025, 0.025))
    assert gap.value == pytest.approx(0.5, abs=0.1)
    assert gap.low == pytest.approx(gap.value - 0.1, abs=0.02)
    assert gap.high == pytest.approx(gap.value + 0.09, abs=0.02)


def test_a_gap_that_changes_its_side_has_not_widened() -> None:
    ours, theirs = shares({"a": (300, 1000), "b": (500, 1000)}), shares({"a": (500, 1000), "b": (300, 1000)})
    gap = one(widened([ours], [theirs], ALONE, 0.025, 0.025))
    assert gap.value == pytest.approx(0)
    assert gap.low < 0 < gap.high


def drawn(draw: np.random.Generator, truth: dict[str, float], sizes: tuple[int, ...], days: float) -> dict[str, Estimate]:
    """Groups of people with a rate each; every day has a rate of its own beside, if `days` is above 0."""
    rows = sum(sizes)
    group = np.repeat(np.arange(len(sizes)), sizes)
    day = draw.integers(0, 28, rows)
    own = draw.normal(0, days, 28)[day] if days else 0.0
    odds = np.log(np.array(list(truth.values())) / (1 - np.array(list(truth.values()))))[group]
    values = (draw.random(rows) < 1 / (1 + np.exp(-odds - own))).astype(np.float64)
    clusters = Clusters(day)
    made = {name: mean(values, group == place, np.ones(rows), clusters, share=True) for place, name in enumerate(truth)}
    return {name: each for name, each in made.items() if each is not None}


@pytest.mark.parametrize("days", [0.0, 0.3])
@pytest.mark.parametrize(
    ("rates", "sizes"),
    [((0.3, 0.3), (400, 150)), ((0.05, 0.05, 0.05), (500, 300, 120)), ((0.24, 0.3, 0.3, 0.27, 0.3), (300, 200, 200, 150, 120))],
)
def test_too_much_is_shown_as_seldom_as_was_asked(rates: tuple[float, ...], sizes: tuple[int, ...], days: float) -> None:
    """At the limit itself, of differences and ratios, both ends."""
    trials, level = effort(60, 2000), 0.05
    draw = np.random.default_rng(11)
    truth = {f"g{place}": rate for place, rate in enumerate(rates)}
    apart, ratio = max(rates) - min(rates), min(rates) / max(rates)
    wrong = np.zeros(4)
    for _ in range(trials):
        figure = drawn(draw, truth, sizes, days)
        difference, by = one(widest_difference([figure], level, level)), one(widest_ratio([figure], level, level))
        wrong += [difference.low > apart, difference.high < apart, by.high < ratio, by.low > ratio]
    allowed = level * trials + 3 * math.sqrt(trials * level * (1 - level)) + 1
    print(f"rates {rates}, days {days}: wrong ends {wrong / trials} of {level}")
    assert (wrong <= allowed).all(), wrong / trials
