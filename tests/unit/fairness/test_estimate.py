"""Intervals of a group's figure: Clopper and Pearson's where rows are independent, wider where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from include.fairness.estimate import Clusters, mean, quantile, widening

ALONE = Clusters()


@pytest.mark.parametrize(("ups", "rows"), [(0, 30), (1, 40), (17, 60), (60, 60)])
def test_a_share_of_independent_rows_has_the_exact_interval(ups: int, rows: int) -> None:
    values = np.r_[np.ones(ups), np.zeros(rows - ups), np.ones(500)]
    found = mean(values, np.arange(rows + 500) < rows, np.ones(rows + 500), ALONE, share=True)
    assert found is not None
    wanted = binomtest(ups, rows).proportion_ci(0.95, method="exact")
    assert found.value == ups / rows
    # The spread is of a sample: one row less tells of it.
    assert (found.low(0.025), found.high(0.025)) == pytest.approx((wanted.low, wanted.high), abs=0.006)


def test_rows_that_come_ten_times_are_one_witness_each() -> None:
    draw = np.random.default_rng(2)
    once = (draw.random(200) < 0.3).astype(np.float64)
    values, person = np.repeat(once, 10), np.repeat(np.arange(200), 10)
    every = np.ones(2000, dtype=np.bool_)
    clustered = mean(values, every, np.ones(2000), Clusters(person=person), share=True)
    plain = mean(once, every[:200], np.ones(200), ALONE, share=True)
    naive = mean(values, every, np.ones(2000), ALONE, share=True)
    assert clustered is not None
    assert plain is not None
    assert naive is not None
    assert clustered.low(0.025) == pytest.approx(plain.low(0.025), abs=0.01)
    assert naive.low(0.025) > plain.low(0.025) + 0.03


def test_where_all_say_the_same_the_other_groups_tell_how_rows_hang_together() -> None:
    draw = np.random.default_rng(3)
    day = np.repeat(np.arange(20), 50)
    values = (draw.random(1000) < np.repeat(draw.random(20), 50)).astype(np.float64)
    inside = np.arange(1000) < 100
    values[inside] = 0
    clusters = Clusters(day)
    pooled = widening(values, np.ones(1000, dtype=np.bool_), np.ones(1000), clusters)
    assert pooled > 3
    wide, narrow = (mean(values, inside, np.ones(1000), clusters, share=True, pooled=each) for each in (pooled, 1.0))
    assert wide is not None
    assert narrow is not None
    assert (wide.low(0.025), wide.value) == (0, 0)
    assert wide.high(0.025) > 2 * narrow.high(0.025)


def test_weights_widen_and_a_mean_has_students_interval() -> None:
    draw = np.random.default_rng(4)
    values, weight = draw.normal(size=400), draw.exponential(size=400)
    every = np.ones(400, dtype=np.bool_)
    found = mean(values, every, weight, ALONE, share=False)
    assert found is not None
    assert found.value == pytest.approx(np.average(values, weights=weight))
    assert found.high(0.025) - found.value == pytest.approx(found.error * quantile(399, 0.025))
    equal = mean(values, every, np.ones(400), ALONE, share=False)
    assert equal is not None
    assert equal.error == pytest.approx(values.std(ddof=1) / 20, rel=1e-9)
    assert found.error > equal.error


def test_without_rows_there_is_no_estimate() -> None:
    assert mean(np.ones(5), np.zeros(5, dtype=np.bool_), np.ones(5), ALONE, share=True) is None
