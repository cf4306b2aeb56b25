from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.drift.world import World
from include.core.spec import Feature
from include.data.window import moment
from include.monitoring.drift.drift import DriftVerdict, judge
from include.monitoring.profile.binning import Axis, axes
from include.monitoring.profile.column_scan import count
from include.monitoring.profile.profiles import profile, profile_parts
from include.monitoring.profile.summary import Summary
from include.monitoring.quality import inspect
from include.monitoring.reference import Reference, cut
from tests.support.synthetic_predictions import INPUTS, MADE, START, collected, put, rows, training

NORMAL = Axis.spanning("x", "float", np.random.default_rng(0).normal(size=100_000))
NORMALS = tuple(axes(INPUTS[:2], training()))


def verdict(table: pa.Table, reference: Reference, **changes: Any) -> DriftVerdict:
    window = profile(table, reference.axes)
    quality = inspect(window, reference, collected(table, **changes))
    return judge(window, table.num_rows, reference, minimum_rows=200, set_aside=quality.columns)


def week(seed: int = 5, per_day: int = 100) -> pa.Table:
    return rows(MADE, 7, per_day, seed)


def warmer(table: pa.Table, by: float) -> pa.Table:
    return put(table, "temp", np.asarray(table["temp"]) + by)


def test_ordinary_weeks_raise_no_alarm(reference: Reference) -> None:
    alarms = [verdict(week(seed), reference).verdict == "drift" for seed in range(100, 140)]
    assert sum(alarms) <= 4


def test_a_shift_is_found_and_blamed_on_its_column(reference: Reference) -> None:
    found = verdict(warmer(week(), 8), reference)
    assert found.verdict == "drift"
    assert [column.name for column in found.drifted] == ["temp"]
    assert found.p_value is not None
    assert found.p_value < 0.03
    assert "temp mean is" in found.summary
    assert "above the training windows" in found.summary


def test_a_changed_mix_of_categories_is_found(reference: Reference) -> None:
    n = week().num_rows
    found = verdict(put(week(), "carrier_code", ["AA"] * (n // 2) + ["UA"] * (n - n // 2)), reference)
    assert [column.name for column in found.drifted] == ["carrier_code"]
    assert "carrier_code mix is" in found.summary


@pytest.mark.parametrize("per_day", [60, 300, 3000])
def test_more_rows_never_silence_an_alarm(reference: Reference, per_day: int) -> None:
    assert verdict(warmer(week(per_day=per_day), 8), reference).verdict == "drift"


@pytest.mark.parametrize("per_day", [100, 3000])
def test_a_shift_too_small_to_matter_is_no_drift_however_sure(reference: Reference, per_day: int) -> None:
    assert verdict(warmer(week(per_day=per_day), 0.5), reference).verdict == "none"


def test_a_window_of_eight_rows_is_not_judged(reference: Reference) -> None:
    found = verdict(week().slice(0, 8), reference)
    assert (found.verdict, found.summary) == ("abstain", "8 rows are too few to judge drift; 200 are needed.")


def test_an_empty_window_is_not_judged(reference: Reference) -> None:
    assert verdict(week().slice(0, 0), reference).verdict == "abstain"


def test_with_few_past_windows_the_verdict_is_cautious_and_says_so() -> None:
    short = Reference.of(training().slice(0, 2800), INPUTS, timedelta(days=7), START + timedelta(days=28))
    assert len(short.past) == 4
    quiet = [verdict(week(seed), short).verdict == "drift" for seed in range(100, 120)]
    assert sum(quiet) <= 1
    found = verdict(warmer(week(), 10), short)
    assert (found.verdict, found.past_windows) == ("drift", 4)
    assert "Judged with caution: 4 past windows are known where 6 tell what is usual" in found.summary


def test_without_any_whole_past_window_nothing_is_judged() -> None:
    short = Reference.of(training().slice(0, 300), INPUTS, timedelta(days=7), START + timedelta(days=3))
    found = verdict(warmer(week(), 30), short)
    assert found.verdict == "abstain"
    assert "no whole window" in found.summary


def test_blame_is_weighed_by_what_the_score_rests_on(reference: Reference) -> None:
    n = week().num_rows
    both = put(warmer(week(), 8), "carrier_code", ["AA"] * (n // 2) + ["UA"] * (n - n // 2))
    weighed = replace(reference, importance={"temp": 0.05, "precip": 0.1, "hour": 0.05, "carrier_code": 0.8})
    alone, found = verdict(both, reference), verdict(both, weighed)
    assert {column.name for column in found.drifted} == {"temp", "carrier_code"}
    assert found.summary.index("carrier_code mix") < found.summary.index("temp mean")
    assert "carrier_code and temp carry 85% of the model's score." in found.summary
    assert sum(column.weight for column in found.drifted) == pytest.approx(1)
    assert (found.verdict, found.statistic, found.critical) == (alone.verdict, alone.statistic, alone.critical)


def test_windows_of_a_day_are_compared_with_the_same_weekday() -> None:
    """Temperature lives by the weekday here; an ordinary Saturday is no alarm, and a Saturday on a Tuesday is."""

    def lived(table: pa.Table) -> pa.Table:
        weekend = np.array([at.weekday() >= 5 for at in table["event_timestamp"].to_pylist()])
        return put(table, "temp", np.asarray(table["temp"]) + 15 * weekend)

    parts = profile_parts(lived(training(300)), NORMALS, "event_timestamp")
    for day, expected in (("2013-04-06", "none"), ("2013-04-02", "drift")):
        table = lived(rows(moment("2013-04-06"), 1, 300, 3))
        past = cut(parts, 1, MADE, moment(day))
        assert {moment(name.split("/")[0]).weekday() for name in past} == {moment(day).weekday()}
        assert judge(profile(table, NORMALS), 300, Reference(NORMALS, past), minimum_rows=1, set_aside={}).verdict == expected


@settings(max_examples=60, deadline=None)
@given(st.floats(-0.6, 0.6), st.integers(60, 3000), st.integers(2, 200), st.integers(0, 1000))
def test_the_same_window_with_more_rows_is_never_less_of_a_drift(moved: float, n: int, times: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    past = {str(k): {"x": _simulated(rng, 0, 0.05)} for k in range(10)}
    few = _simulated(rng, moved, 0, n)
    many = Summary(times * n, 0, 0, times * few.bins, few.mean, times * few.m2)
    one, other = (judge({"x": s}, s.count, Reference((NORMAL,), past), minimum_rows=1, set_aside={}) for s in (few, many))
    assert one.statistic is not None
    assert other.statistic is not None
    assert not (one.verdict == "drift" and other.verdict == "none")


@pytest.mark.parametrize(
    "broken",
    [
        lambda t: t.drop_columns("temp"),
        lambda t: put(t, "temp", pa.nulls(t.num_rows, pa.float64())),
        lambda t: put(t, "temp", [55.0] * t.num_rows),
        lambda t: put(t, "carrier_code", ["??"] * t.num_rows),
        lambda t: t.append_column("surprise", pa.array(range(t.num_rows))),
        lambda t: put(t, "precip", [0.0] * t.num_rows),
    ],
    ids=["a column gone", "all missing", "constant", "unseen categories", "a new column", "a dry week"],
)
def test_broken_data_raise_no_drift_by_accident(reference: Reference, broken: Any) -> None:
    found = verdict(broken(week()), reference)
    assert found.verdict == "none", found.summary


def test_columns_that_follow_the_calendar_are_set_aside() -> None:
    def dated(table: pa.Table) -> pa.Table:
        return table.append_column(
            "day_of_year", pa.array([at.timetuple().tm_yday for at in table["event_timestamp"].to_pylist()])
        )

    inputs = (*INPUTS, Feature(name="day_of_year", dtype="int"))
    reference = Reference.of(dated(training()), inputs, timedelta(days=7), MADE)
    found = verdict(dated(week()), reference)
    assert reference.clocks == ("day_of_year",)
    assert found.verdict == "none"
    assert "follows the calendar" in found.not_judged["day_of_year"]


def test_a_column_that_never_varied_is_not_judged() -> None:
    fixed = put(training(), "precip", [0.0] * training().num_rows)
    reference = Reference.of(fixed, INPUTS, timedelta(days=7), MADE)
    found = verdict(week(), reference)
    assert found.verdict == "none"
    assert "precip" in found.not_judged


def test_one_wild_past_week_does_not_break_the_verdict() -> None:
    table = training()
    temp = np.asarray(table["temp"]).copy()
    temp[2000:2700] += 15
    reference = Reference.of(put(table, "temp", temp), INPUTS, timedelta(days=7), MADE)
    assert verdict(week(), reference).verdict == "none"
    assert verdict(warmer(week(), 60), reference).verdict == "drift"


def test_past_windows_are_whole_and_end_when_the_training_set_was_made(reference: Reference) -> None:
    assert len(reference.past) == 13
    assert list(reference.past)[-1] == "2013-03-26/2013-04-02"
    late = Reference.of(training(), INPUTS, timedelta(days=7), MADE + timedelta(days=3))
    assert next(iter(late.past)) == "2013-01-04/2013-01-11"


def test_a_training_set_without_rows_gives_no_past() -> None:
    empty = Reference.of(training().slice(0, 0), INPUTS, timedelta(days=7), MADE)
    assert verdict(week(), empty).verdict == "abstain"


def _simulated(rng: np.random.Generator, shift: float, wobble: float, rows: int = 1000) -> Summary:
    return count(pa.array(rng.normal(shift + wobble * rng.normal(), 1, rows)), NORMAL)


def _alarms(trials: int, shift: float, wobble: float) -> float:
    """Share of checks that alarm: 12 past windows of 1,000 rows, 20 columns, 3 of them shifted."""
    rng, world, still = np.random.default_rng(11), World(1000, 20, wobble, 12), np.zeros(20)
    moved = np.where(np.arange(20) < 3, shift, 0.0)
    found = 0
    for _ in range(trials):
        reference = world.reference([world.draw(rng, still) for _ in range(12)])
        window = world.profile(world.draw(rng, moved))
        found += judge(window, 1000, reference, minimum_rows=1, set_aside={}).verdict == "drift"
    return found / trials


@pytest.mark.thorough
@pytest.mark.parametrize("wobble", [0.0, 0.1])
def test_false_alarms_of_the_whole_check_are_rare(wobble: float) -> None:
    assert _alarms(60, 0.0, wobble) <= 0.1


@pytest.mark.thorough
def test_a_third_of_a_standard_deviation_in_three_of_twenty_columns_is_found() -> None:
    assert _alarms(40, 0.3, 0.05) >= 0.9


def test_json_holds_no_surprise(reference: Reference) -> None:
    body = verdict(warmer(week(), 8), reference).to_json()
    assert body["verdict"] == "drift"
    assert body["past_windows"] == 13
    assert body["columns"][0]["name"] == "temp"
    assert body["columns"][0]["score"] > body["critical"]
