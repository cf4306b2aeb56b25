from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from include.core.spec import Feature
from include.monitoring.profile import Axis, axes, from_json, profile, summarize, to_json
from include.monitoring.statistic import ks, psi, psi_noise
from include.monitoring.window import moment
from tests.unit.monitoring.synthetic import INPUTS, put, rows, training


def test_the_summary_of_two_parts_is_the_summary_of_the_whole() -> None:
    whole = rows(moment("2013-04-02"), 7)
    found = axes(INPUTS, training())
    parts = [profile(part, found) for part in (whole.slice(0, 123), whole.slice(123, 0), whole.slice(123))]
    for name, summary in profile(whole, found).items():
        merged = parts[0][name].merge(parts[1][name]).merge(parts[2][name])
        assert (merged.count, merged.missing, merged.unseen, merged.bins) == (
            summary.count,
            summary.missing,
            summary.unseen,
            summary.bins,
        )
        assert merged.mean == pytest.approx(summary.mean)
        assert merged.variance == pytest.approx(summary.variance)


def test_moments_are_of_the_present_values_and_infinities_count_as_missing() -> None:
    values = [1.0, 2.0, None, float("nan"), float("inf"), 6.0]
    summary = summarize(pa.chunked_array([values]), Axis("x", "float", edges=(2.0,)))
    assert (summary.count, summary.missing, summary.present) == (6, 3, 3)
    assert (summary.mean, summary.variance) == (3.0, pytest.approx(np.var([1, 2, 6], ddof=1)))
    assert summary.bins == (2, 1)  # an edge is the upper end of its bin


def test_unseen_categories_are_counted_apart_from_missing_ones() -> None:
    axis = Axis.of(Feature(name="c", dtype="category"), pa.chunked_array([["UA", "AA", "UA", None]]))
    summary = summarize(pa.chunked_array([["UA", "ZZ", None, "AA", "ZZ"]]), axis)
    assert axis.categories == ("UA", "AA")
    assert (summary.bins, summary.unseen, summary.missing, summary.present) == ((1, 1), 2, 1, 2)


def test_a_column_of_nulls_still_has_an_axis() -> None:
    number, text = pa.chunked_array([pa.nulls(5, pa.float64())]), pa.chunked_array([pa.nulls(5, pa.string())])
    assert summarize(number, Axis.of(Feature(name="x"), number)).missing == 5
    assert summarize(text, Axis.of(Feature(name="c", dtype="category"), text)).missing == 5


def test_ks_from_bins_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=4000), rng.normal(0.3, 1.2, 3000)
    axis = Axis("x", "float", edges=tuple(np.sort(np.concatenate([a, b]))[::7]))
    bins = [np.array(summarize(pa.chunked_array([x]), axis).bins, float) for x in (a, b)]
    assert float(ks(*bins)) == pytest.approx(ks_2samp(a, b).statistic, abs=2e-3)


def test_psi_of_one_distribution_is_what_the_noise_says() -> None:
    rng = np.random.default_rng(0)
    n, m, bins = 800, 3000, 10
    found = psi(
        rng.multinomial(n, [1 / bins] * bins, 4000).astype(float), rng.multinomial(m, [1 / bins] * bins, 4000).astype(float)
    )
    mean, variance = psi_noise(bins, np.array(float(n)), np.array(float(m)))
    assert found.mean() == pytest.approx(float(mean), rel=0.03)
    assert found.var() == pytest.approx(float(variance), rel=0.15)


def test_profiles_survive_json() -> None:
    found = axes(INPUTS, training())
    window = {"window": profile(rows(moment("2013-04-02"), 7), found)}
    assert from_json(json.loads(json.dumps(to_json(found, window)))) == (found, window)


def test_a_column_that_the_window_lacks_has_no_summary() -> None:
    table = rows(moment("2013-04-02"), 7).drop_columns("temp")
    assert "temp" not in profile(table, axes(INPUTS, training()))
    assert set(profile(put(table, "hour", [None] * 700), axes(INPUTS, training()))) == {"precip", "hour", "carrier_code"}
