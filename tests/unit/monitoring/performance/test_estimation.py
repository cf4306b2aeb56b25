from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from include.metrics.binary import auc, log_loss
from include.monitoring.additive import Scale, design, fit, predict
from include.monitoring.performance.estimation import estimate, parts, spaced
from include.monitoring.performance.terms import Terms
from include.monitoring.profile.binning import Axis
from tests.unit.monitoring.performance.known_world import AXES, HOLDOUT, world

TERMS = Terms("auc", 200, 0.5)


@pytest.mark.thorough
def test_where_only_the_inputs_move_it_sees_most_of_the_fall() -> None:
    for seed in (2, 3):
        window, expected, loss = world(seed, 8000, moved=0.8)
        found = estimate(HOLDOUT, window.drop_columns("label"), AXES, TERMS)
        assert not found.why
        assert found.base - expected > 0.04
        assert abs(found.value - expected) < (found.base - expected) / 2
        told = estimate(HOLDOUT, window, AXES, Terms("log_loss", 200, 0.5))
        assert abs(told.value - loss) < abs(told.base - loss) / 2


@pytest.mark.thorough
def test_where_nothing_moves_it_says_what_the_holdout_said() -> None:
    found = estimate(HOLDOUT, world(4, 8000)[0], AXES, TERMS)
    assert found.base == pytest.approx(auc(*(HOLDOUT[name].to_numpy() for name in ("label", "score"))))
    assert abs(found.value - found.base) < 2 * found.base_error
    loss = estimate(HOLDOUT, world(4, 8000)[0], AXES, Terms("log_loss", 200, 0.5))
    assert loss.base == pytest.approx(log_loss(*(HOLDOUT[name].to_numpy() for name in ("label", "score"))))
    assert abs(loss.value - loss.base) < 3 * loss.base_error


@pytest.mark.thorough
def test_beyond_what_the_holdout_knows_there_is_no_estimate() -> None:
    far = estimate(HOLDOUT, world(5, 2000, moved=12.0)[0], AXES, TERMS)
    assert "the holdout never showed" in far.why
    window = world(5, 2000)[0]
    new = window.set_column(window.column_names.index("kind"), "kind", pa.array(["rocket"] * 2000))
    assert "the holdout never showed" in estimate(HOLDOUT, new, AXES, TERMS).why
    apart = world(5, 8000, moved=2.5)[0]
    apart = apart.set_column(0, "x", pa.array(apart["x"].to_numpy() + 2.5))
    assert "moved so far" in estimate(HOLDOUT, apart, AXES, TERMS).why


def test_few_rows_or_one_class_give_no_estimate() -> None:
    assert estimate(HOLDOUT, world(6, 8)[0], AXES, TERMS).why == "8 answered requests; 200 are needed."
    none = HOLDOUT.set_column(HOLDOUT.column_names.index("label"), "label", pa.array(np.zeros(8000)))
    assert "too few to learn from" in estimate(none, world(6, 500)[0], AXES, TERMS).why
    assert "kept 0 rows" in estimate(HOLDOUT.slice(0, 0), world(6, 500)[0], AXES, TERMS).why


@pytest.mark.thorough
def test_missing_values_and_a_missing_column_are_no_obstacle() -> None:
    window = world(7, 3000)[0]
    hollow = window.set_column(1, "z", pa.array(np.where(np.arange(3000) % 10 == 0, np.nan, window["z"].to_numpy())))
    hollowed = estimate(HOLDOUT, hollow, AXES, TERMS)
    assert abs(hollowed.value - hollowed.base) < 0.05
    found = estimate(HOLDOUT, window.drop_columns("z"), AXES, TERMS)
    assert abs(found.value - found.base) < 0.05


def test_the_holdout_is_cut_into_whole_windows_each_with_the_rest() -> None:
    cut = parts(HOLDOUT, timedelta(days=7))
    assert [name for name, _, _ in cut] == [
        "2013-03-01/2013-03-08", "2013-03-08/2013-03-15", "2013-03-15/2013-03-22", "2013-03-22/2013-03-29",
    ]  # fmt: skip
    assert all(inside.num_rows + rest.num_rows == 8000 for _, inside, rest in cut)
    assert parts(HOLDOUT, timedelta(days=28)) == []


def test_additive_regression_finds_the_rate_of_each_code() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"c": rng.choice(["a", "b", "c"], 20_000), "x": rng.random(20_000)})
    rate = {"a": 0.2, "b": 0.5, "c": 0.8}
    p = np.array([rate[str(value)] for value in table["c"].to_pylist()])
    scales = [Scale.of(Axis("c", "category", categories=("a", "b")), table["c"]), Scale.of(Axis("x"), table["x"])]
    rows = design(scales, table)
    found = predict(rows, fit(rows, (rng.random(20_000) < p).astype(float), np.ones(20_000), 1.0))
    assert np.abs(found - p).mean() < 0.02  # `c` is no known category: all others share a code


def test_a_sample_is_evenly_spaced_and_the_same_every_time() -> None:
    assert spaced(HOLDOUT, 100)["event_time"].to_pylist() == spaced(HOLDOUT, 100)["event_time"].to_pylist()
    assert spaced(HOLDOUT, 100).num_rows == 100
    assert spaced(HOLDOUT, 9000) is HOLDOUT


@pytest.mark.parametrize("metric", ["accuracy", "f1", "brier"])
def test_decisions_are_estimated_at_the_threshold_that_serves(metric: str) -> None:
    terms = Terms(metric, 200, 0.3)
    window = world(2, 8000, moved=0.8)[0]
    found, came = estimate(HOLDOUT, window.drop_columns("label"), AXES, terms), terms.measured(window)
    assert came is not None
    assert found.base == pytest.approx(terms.measured(HOLDOUT).value)  # type: ignore[union-attr]
    assert abs(found.value - came.value) < abs(found.base - came.value) / 2
