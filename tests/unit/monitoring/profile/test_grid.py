"""Cells and bins end between values: the last bit of a value, and single precision, move nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from include.core.spec import Feature
from include.monitoring.additive import Scale
from include.monitoring.drift.drift import judge
from include.monitoring.profile.binning import Axis, Floats
from include.monitoring.profile.column_scan import count
from include.monitoring.profile.grid import CELLS, SINGLE, anchors_of
from include.monitoring.profile.profiles import profile
from include.monitoring.reference import Reference

START, DAYS = datetime.fromisoformat("2030-01-01"), 13 * 7
VALUES = {
    "tenths": np.arange(1, 11) / 10,
    "tenths from zero": np.arange(8) / 10,
    "hundredths": np.arange(1, 15) / 100,
    "quarters": np.arange(5) / 4,
    "thirds": np.arange(4) / 3,
    "sevenths below zero": -np.arange(9) / 7,
    "both signs": np.arange(-7, 8) * 0.3,
    "prices": np.array([9.99, 19.99, 29.99]),
    "irregular": np.array([0.1, 0.3, 0.37, 1.9, 12.21, 99.95]),
    "two": np.array([0.1, 0.2]),
    "one": np.array([0.1]),
    "one price": np.array([33.33]),
    "one below zero": np.array([-273.15]),
    "far from zero": 100_000 + np.arange(1, 10) / 10,
    "tiny": np.arange(1, 9) * 1e-13,
    "huge": np.arange(1, 9) * 1.1e30,
    "huge whole numbers": np.array([123_456_789.0, 223_456_789.0, 323_456_789.0]),
    "ratings": np.arange(1.0, 6.0),
    "half stars": np.arange(1, 11) / 2,
    "two hundred cents": np.arange(200) / 100,
    "powers": 2.0 ** np.arange(-8, 9) / 3,
}


def same_but(values: Floats) -> dict[str, Floats]:
    """The same numbers as other computations give them."""
    return {
        "single precision": values.astype(np.float32).astype(np.float64),
        "a bit up": np.nextafter(values, np.inf),
        "a bit down": np.nextafter(values, -np.inf),
        "multiplied and divided": values * 3 / 3,
        "from tenths": np.rint(values * 100) * 0.01
        if np.allclose(values * 100, np.rint(values * 100), rtol=1e-12, atol=0)
        else values,
    }


def places(axis: Axis, values: Floats) -> tuple[list[int], list[int]]:
    """Cells and bins, as they are counted."""
    summaries = [count(pa.array([value]), axis) for value in values.tolist()]
    cells = [int(np.flatnonzero(summary.cells)[0]) for summary in summaries if summary.cells is not None]
    return cells, [int(np.flatnonzero(summary.bins)[0]) for summary in summaries]


@pytest.mark.parametrize("name", VALUES)
def test_a_value_keeps_its_cell_and_its_bin_however_it_was_computed(name: str) -> None:
    values = VALUES[name]
    axis = Axis.spanning("x", "float", np.repeat(values, 40))
    cells, bins = places(axis, values)
    for how, again in same_but(values).items():
        assert places(axis, again) == (cells, bins), how
        assert axis.place(again).tolist() == cells, how
    if name != "powers":  # of these the nearest are nearer than the finest cells
        assert len(set(cells)) == len(values)
        assert (len(set(bins)) == len(values)) == (len(values) <= 18)


def test_decimals_and_single_precision_lay_down_the_same_axis_as_doubles() -> None:
    tenths = np.repeat(np.arange(1, 11) / 10, 40)
    plain = Axis.of(Feature(name="x"), pa.chunked_array([pa.array(tenths)]))
    decimals = pa.chunked_array([pa.array([Decimal(str(value)) for value in tenths.tolist()], pa.decimal128(5, 2))])
    assert Axis.of(Feature(name="x"), decimals) == plain
    single = Axis.of(Feature(name="x"), pa.chunked_array([pa.array(tenths, pa.float32())]))
    assert places(single, np.unique(tenths))[1] == places(plain, np.unique(tenths))[1]


def test_a_common_value_among_many_others_keeps_its_cell() -> None:
    rng = np.random.default_rng(2)
    for least in (9.99, 0.1, 1 / 3, -17.3):
        values = np.where(rng.random(20_000) < 0.4, least, least + rng.gamma(2, 5, 20_000))
        axis = Axis.spanning("x", "float", values)
        atom = np.array([least])
        assert all(places(axis, again) == places(axis, atom) for again in same_but(atom).values())


def test_whole_numbers_that_only_seem_so_at_first_have_cells_of_their_own() -> None:
    values = np.append(np.repeat([1.0, 2.0, 3.0], 400), np.repeat([1.5, 2.5], 400))
    axis = Axis.spanning("x", "float", values)
    halves = np.array([1.5, 2.5])
    assert all(places(axis, again) == places(axis, halves) for again in same_but(halves).values())


@pytest.mark.parametrize(
    "values",
    [np.array([1e308, -1e308] * 50), np.arange(100) * 5e-324, np.array([2.0**62, 2.0**62 + 1024] * 50), np.full(100, 1e308)],
)
def test_values_at_the_ends_of_what_a_double_holds_are_counted(values: Floats) -> None:
    axis = Axis.spanning("x", "float", values)
    summary = count(pa.array(values), axis)
    assert (summary.present, int(summary.bins.sum())) == (len(values), len(values))
    assert np.isfinite([axis.low, axis.step, summary.m2]).all()


def test_a_reference_that_mixes_both_forms_of_a_value_has_them_in_one_cell() -> None:
    mixed = np.concatenate([np.arange(1, 11) / 10, np.arange(1, 11) * 0.1])
    axis = Axis.spanning("x", "float", np.repeat(mixed, 40))
    cells, bins = places(axis, mixed)
    assert (len(set(cells)), cells[:10], bins[:10]) == (10, cells[10:], bins[10:])


def test_the_grid_reaches_beyond_its_values_on_either_side() -> None:
    for values in VALUES.values():
        axis = Axis.spanning("x", "float", np.repeat(values, 40))
        assert axis.low < values.min()
        assert axis.low + CELLS * axis.step > values.max()


def test_values_are_few_only_where_they_repeat() -> None:
    assert anchors_of(np.repeat(np.arange(300) / 7, 10)).all
    assert not anchors_of(np.random.default_rng(0).normal(size=300)).all
    late = np.append(np.zeros(50_000), np.random.default_rng(0).normal(size=600))
    assert not anchors_of(late).all
    assert anchors_of(late).values.tolist() == [0.0]
    assert SINGLE > 2.0**-24


# -- what is judged --------------------------------------------------------------------------------------------


def table(values: Floats, start: datetime, days: int, seed: int, chances: Floats | None = None) -> pa.Table:
    rng = np.random.default_rng(seed)
    rows = days * 100
    times = np.datetime64(start, "us") + np.sort(rng.integers(0, days * 86_400_000_000, rows))
    return pa.table({"event_timestamp": pa.array(times, pa.timestamp("us")), "x": rng.choice(values, rows, p=chances)})


def verdict(values: Floats, now: Floats, chances: Floats | None = None) -> str:
    reference = Reference.of(table(values, START, DAYS, 0), [Feature(name="x")], timedelta(days=7), START + timedelta(days=DAYS))
    window = table(now, START + timedelta(days=DAYS), 7, 5, chances)
    return judge(profile(window, reference.axes), window.num_rows, reference, minimum_rows=200, set_aside={}).verdict


@pytest.mark.parametrize("name", ["tenths", "tenths from zero", "hundredths", "two", "prices", "both signs", "irregular"])
def test_the_same_values_in_single_precision_are_no_drift(name: str) -> None:
    again = same_but(VALUES[name])
    assert {verdict(VALUES[name], again[how]) for how in ("single precision", "a bit up", "a bit down")} == {"none"}


def test_few_values_that_move_or_change_their_shares_still_are() -> None:
    tenths = VALUES["tenths"]
    assert verdict(tenths, tenths + 0.04) == "drift"
    assert verdict(tenths, tenths, np.array([0.35, *[0.65 / 9] * 9])) == "drift"


@pytest.mark.parametrize("name", ["tenths", "hundredths", "two", "one", "prices", "far from zero"])
def test_what_estimates_without_labels_codes_such_values_alike(name: str) -> None:
    column = pa.chunked_array([pa.array(np.repeat(VALUES[name], 40))])
    scale = Scale.of(Axis("x"), column)
    codes = scale.codes(column)
    for again in same_but(np.repeat(VALUES[name], 40)).values():
        assert scale.codes(pa.chunked_array([pa.array(again)])).tolist() == codes.tolist()
