from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from include.core.spec import Feature
from include.data.window import moment
from include.monitoring.drift.divergences import chi_square, compare, kl, psi, psi_noise
from include.monitoring.profile.binning import Axis, axes
from include.monitoring.profile.column_scan import count
from include.monitoring.profile.profile_file import read_profiles, write_profiles
from include.monitoring.profile.profiles import merge_profiles, profile, profile_files, profile_parts, window
from include.monitoring.profile.summary import KEPT, Summary, merged
from tests.support.synthetic_predictions import INPUTS, put, rows, training

NUMBERS = Axis.spanning("x", "float", np.linspace(-50, 50, 1001))
WORDS = Axis("c", "category", categories=("a", "b", "c"))
VALUES = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(float("nan")), st.just(float("inf"))), max_size=40)
TEXTS = st.lists(st.one_of(st.none(), st.sampled_from("abcdef")), max_size=40)


def numbers(values: list[float | None]) -> Summary:
    return count(pa.array(values, pa.float64()), NUMBERS)


def words(values: list[str | None]) -> Summary:
    return count(pa.array(values, pa.string()), WORDS)


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES, VALUES)
def test_merging_numbers_is_associative_and_commutative_and_equals_counting_the_whole(
    a: list[float | None], b: list[float | None], c: list[float | None]
) -> None:
    x, y, z = numbers(a), numbers(b), numbers(c)
    assert x.merge(y).merge(z).equals(x.merge(y.merge(z)))
    assert x.merge(y).equals(y.merge(x))
    assert x.merge(Summary.empty(NUMBERS)).equals(x)
    assert merged([x, y, z]).equals(numbers(a + b + c))


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_merging_categories_is_associative_and_commutative_and_equals_counting_the_whole(
    a: list[str | None], b: list[str | None], c: list[str | None]
) -> None:
    x, y, z = words(a), words(b), words(c)
    assert x.merge(y).merge(z).equals(x.merge(y.merge(z)))
    assert x.merge(y).equals(y.merge(x))
    assert x.merge(Summary.empty(WORDS)).equals(x)
    assert merged([x, y, z]).equals(words(a + b + c))


def test_moments_are_of_the_present_values_and_infinities_count_as_missing() -> None:
    summary = numbers([1.0, 2.0, None, float("nan"), float("inf"), 6.0])
    assert (summary.count, summary.missing, summary.present, summary.low, summary.high) == (6, 3, 3, 1.0, 6.0)
    assert (summary.mean, summary.variance) == (pytest.approx(3.0), pytest.approx(np.var([1, 2, 6], ddof=1)))


def test_moments_keep_their_digits_far_from_zero_and_far_from_the_grid() -> None:
    values = 1e6 + np.random.default_rng(0).normal(0, 0.5, 50_000)
    for axis in (Axis.spanning("x", "float", values), Axis.spanning("x", "float", values - 300)):
        summary = count(pa.array(values), axis)
        assert summary.mean == pytest.approx(values.mean(), rel=1e-12)
        assert summary.variance == pytest.approx(values.var(ddof=1), rel=1e-6)


def test_one_value_only_has_no_variance() -> None:
    summary = numbers([0.1] * 1000)
    assert (summary.m2, summary.mean) == (0.0, 0.1)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.float32(), pa.bool_(), pa.decimal128(21, 2)])
def test_every_type_of_number_is_counted(kind: pa.DataType) -> None:
    summary = count(pa.array([0, 1, None, 1], pa.int64()).cast(kind), NUMBERS)
    assert (summary.present, summary.missing, summary.mean) == (3, 1, pytest.approx(2 / 3))


def test_bins_are_what_numpy_counts_between_the_axis_edges() -> None:
    rng = np.random.default_rng(0)
    values = rng.gamma(2, 3, 20_000)
    axis = Axis.spanning("x", "float", rng.gamma(2, 3, 5000))
    expected, _ = np.histogram(values, [-np.inf, *axis.edges, np.inf])
    assert count(pa.array(values), axis).bins.tolist() == expected.tolist()


def test_a_value_that_is_very_common_has_a_bin_of_its_own() -> None:
    values = np.where(np.arange(1000) % 10 > 0, 0.0, np.linspace(0.001, 3, 1000))
    axis = Axis.spanning("rain", "float", values)
    assert count(pa.array(values), axis).bins[0] == 900


def test_whole_numbers_are_reported_apart() -> None:
    axis = Axis.spanning("hour", "int", np.arange(24.0).repeat(40))
    summary = count(pa.array(np.arange(24)), axis)
    assert summary.cells is not None
    assert summary.cells.max() == 1


def test_a_wild_value_does_not_coarsen_the_grid() -> None:
    values = np.append(np.random.default_rng(0).normal(size=20_000), [1e9])
    assert Axis.spanning("x", "float", values).step < 0.01


def test_distinct_is_exact_for_few_values_and_near_for_many() -> None:
    rng = np.random.default_rng(0)
    assert numbers([float(n % 200) for n in range(100_000)]).distinct == 200
    assert numbers([-0.0, 1.0]).distinct == 2
    assert words(["a", "zz", "yy", None, "a"]).distinct == 3
    found = count(pa.array(rng.normal(size=200_000)), NUMBERS)
    assert found.hashes is not None
    assert len(found.hashes) == KEPT
    assert found.distinct == pytest.approx(200_000, rel=0.25)  # four standard errors of 1/sqrt(KEPT)


def test_distinct_values_are_the_same_however_they_come_and_are_cut() -> None:
    rng = np.random.default_rng(4)
    few, near, many = rng.integers(0, 300, 90_000) / 7, np.tile([1.0, 1.0 + 1e-12], 30_000), rng.normal(size=90_000)
    every = np.concatenate([few, near, many])
    orders = (every, every[::-1].copy(), rng.permutation(every), np.unique(every))
    for values in orders:
        whole, *parts = (count(pa.array(part), NUMBERS) for part in (values, *np.array_split(values, 7)))
        assert np.array_equal(whole.hashes, merged(parts).hashes)
        assert np.array_equal(whole.hashes, count(pa.array(orders[0]), NUMBERS).hashes)
    assert count(pa.array(near), NUMBERS).distinct == 2


def test_unseen_categories_are_counted_apart_from_missing_ones() -> None:
    axis = Axis.of(Feature(name="c", dtype="category"), pa.chunked_array([["UA", "AA", "UA", None]]))
    summary = count(pa.chunked_array([["UA", "ZZ"], [None, "AA", "ZZ"]]), axis)
    assert axis.categories == ("UA", "AA")
    assert (summary.bins.tolist(), summary.unseen, summary.missing, summary.present) == ([1, 1], 2, 1, 2)


def test_dictionaries_that_differ_by_chunk_are_counted_alike() -> None:
    chunks = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", None, "c", "x"]).dictionary_encode()]
    summary = count(pa.chunked_array(chunks), WORDS)
    assert (summary.bins.tolist(), summary.unseen, summary.missing) == ([1, 2, 1], 1, 1)


def test_a_column_of_nulls_still_has_an_axis() -> None:
    number, text = pa.chunked_array([pa.nulls(5, pa.float64())]), pa.chunked_array([pa.nulls(5, pa.string())])
    assert count(number, Axis.of(Feature(name="x"), number)).missing == 5
    assert count(text, Axis.of(Feature(name="c", dtype="category"), text)).missing == 5


def test_statistics_from_summaries_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.05, 1.1, 200_000), rng.normal(size=200_000)
    axis = Axis.spanning("x", "float", b[:20_000])
    found = compare(count(pa.array(a), axis), count(pa.array(b), axis), axis)
    x, y = (np.histogram(side, [-np.inf, *axis.edges, np.inf])[0] for side in (a, b))
    p, q = x / x.sum(), y / y.sum()
    reference = stats.chi2_contingency(np.array([x, y]), correction=False)
    assert found.ks == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-4)
    assert found.psi == pytest.approx(float(((p - q) * np.log(p / q)).sum()), abs=1e-4)
    assert found.kl == pytest.approx(float(stats.entropy(p, q)), abs=1e-4)
    assert found.chi_square == pytest.approx(float(reference.statistic), rel=1e-9)
    assert found.p_value == pytest.approx(float(reference.pvalue), abs=1e-9)
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(a, b), abs=1e-3)
    assert found.shift == pytest.approx((a.mean() - b.mean()) / b.std(ddof=1), rel=1e-9)


def test_psi_of_one_distribution_is_what_the_noise_says() -> None:
    rng = np.random.default_rng(0)
    n, m, bins = 800, 3000, 10
    a, b = (rng.multinomial(rows, [1 / bins] * bins, 4000).astype(float) for rows in (n, m))
    mean, variance = psi_noise(bins, np.array(float(n)), np.array(float(m)))
    assert psi(a, b).mean() == pytest.approx(float(mean), rel=0.03)
    assert psi(a, b).var() == pytest.approx(float(variance), rel=0.15)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.lists(st.integers(0, 500), min_size=4, max_size=4))
def test_the_same_shares_of_more_rows_never_look_nearer(few: list[int], before: list[int]) -> None:
    a, b = np.array(few, float), np.array(before, float)
    found = [(float(psi(k * a, b)), float(kl(k * a, b))) for k in (1, 2, 10, 1000)]
    assert found == sorted(found) or np.allclose(np.diff(found, axis=0).clip(max=0), 0, atol=1e-12)


def test_an_empty_side_gives_no_statistic() -> None:
    found = compare(Summary.empty(NUMBERS), numbers([1.0, 2.0]), NUMBERS)
    assert (found.chi_square, found.p_value, found.ks, found.wasserstein, found.shift) == (0.0, 1.0, None, None, 0.0)
    assert float(chi_square(np.zeros(3), np.zeros(3))[0]) == 0.0


def test_files_are_profiled_as_their_rows_are(tmp_path: Path) -> None:
    whole = rows(moment("2013-04-02"), 7, 300)
    found = axes(INPUTS, training())
    files = [tmp_path / f"{n}.parquet" for n in range(3)]
    for n, file in enumerate(files):
        pq.write_table(whole.slice(700 * n, 700), file, row_group_size=256)
    expected = profile(whole, found)
    for name, summary in profile_files(files, found).items():
        assert summary.equals(expected[name]), name


def test_a_column_that_one_file_lacks_is_missing_there(tmp_path: Path) -> None:
    whole = rows(moment("2013-04-02"), 2)
    found = axes(INPUTS, training())
    pq.write_table(whole, tmp_path / "a.parquet")
    pq.write_table(whole.drop_columns(["temp", "carrier_code"]), tmp_path / "b.parquet")
    held = profile_files([tmp_path / "a.parquet", tmp_path / "b.parquet"], found)
    alone = profile(whole, found)
    assert (held["temp"].count, held["temp"].present) == (400, alone["temp"].present)
    assert held["carrier_code"].missing == 200
    assert set(profile_files([tmp_path / "b.parquet"], found)) == {"precip", "hour"}


def test_any_window_and_segment_is_the_merge_of_its_parts() -> None:
    table, found = rows(moment("2013-04-02"), 7), axes(INPUTS, training())
    parts = profile_parts(table, found, "event_timestamp", ["carrier_code"])
    days = [str(at.date()) for at in table["event_timestamp"].to_pylist()]
    some = [n for n, day in enumerate(days) if "2013-04-03" <= day <= "2013-04-05"]
    mine = [n for n in some if table["carrier_code"][n].as_py() == "UA"]
    middle = window(parts, "2013-04-03", "2013-04-05")
    for name, summary in profile(table.take(some), found).items():
        assert middle[name].equals(summary), name
    segment = window(parts, "2013-04-03", "2013-04-05", "carrier_code=UA")
    for name, summary in profile(table.take(mine), found).items():
        bare = Summary(
            summary.count, summary.missing, summary.unseen, summary.bins, summary.mean, summary.m2, summary.low, summary.high
        )
        assert segment[name].equals(bare), name


def test_profiles_on_disk_are_what_was_written_and_equal_ones_have_equal_bytes(tmp_path: Path) -> None:
    table, found = rows(moment("2013-04-02"), 7), axes(INPUTS, training())
    parts = profile_parts(table, found, "event_timestamp", ["carrier_code"])
    one, two = (write_profiles(tmp_path / name, found, parts, {"clocks": ["day"]}) for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()
    back = read_profiles(one, segment=None)
    assert (back.axes, back.facts) == (tuple(found), {"clocks": ["day"]})
    assert set(back.parts) == set(parts)
    assert all(back.parts[part][name].equals(summary) for part, rows in parts.items() for name, summary in rows.items())
    few = read_profiles(one, segment="carrier_code=UA", first="2013-04-04", last="2013-04-05").parts
    assert sorted(few) == [("2013-04-04", "carrier_code=UA"), ("2013-04-05", "carrier_code=UA")]


def test_profiles_of_different_columns_merge_on_those_they_share() -> None:
    table, found = rows(moment("2013-04-02"), 1), axes(INPUTS, training())
    assert set(merge_profiles([profile(table, found), profile(table.drop_columns("temp"), found)])) == {
        "precip", "hour", "carrier_code",
    }  # fmt: skip
    assert merge_profiles([]) == {}


def test_a_column_that_the_window_lacks_has_no_summary() -> None:
    table = rows(moment("2013-04-02"), 7).drop_columns("temp")
    assert "temp" not in profile(table, axes(INPUTS, training()))
    assert set(profile(put(table, "hour", [None] * 700), axes(INPUTS, training()))) == {"precip", "hour", "carrier_code"}
