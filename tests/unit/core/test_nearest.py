from __future__ import annotations

from datetime import date

import pytest

from include.core.nearest import did_you_mean, nearest_day, nearest_number


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("fligth_delay", "did you mean flight_delay? models here: flight_delay, shop."),
        ("fli", "did you mean flight_delay? models here: flight_delay, shop."),
        ("SHOP", "models here: flight_delay, shop."),
        ("", "models here: flight_delay, shop."),
    ],
)
def test_the_closest_name_is_reported_and_every_name(given: str, said: str) -> None:
    assert did_you_mean(given, ["shop", "flight_delay", "shop"], "models") == said


def test_where_there_is_none_that_is_reported_and_many_are_cut() -> None:
    assert did_you_mean("x", [], "models") == "there are no models yet."
    assert nearest_number(1, [], "versions") == "there are no versions yet."
    assert nearest_day(date(2013, 1, 1), []) == "there are no days yet."
    assert did_you_mean("x", map(str, range(100)), "keys").endswith(", ... (100 in all).")


@pytest.mark.parametrize(("given", "closest"), [(0, 1), (-5, 1), (4, 3), (6, 5), (10**30, 8)])
def test_the_closest_number_is_reported(given: int, closest: int) -> None:
    assert nearest_number(given, [8, 1, 3, 5], "versions") == f"the closest is {closest}; versions here: 1, 3, 5, 8."


@pytest.mark.parametrize(("day", "near"), [(4, "2013-01-03 and 2013-01-07"), (1, "2013-01-03"), (9, "2013-01-07")])
def test_a_day_s_neighbours_are_reported_and_what_a_run_s_id_means(day: int, near: str) -> None:
    told = nearest_day(date(2013, 1, day), [date(2013, 1, 7), date(2013, 1, 3)])
    assert told.startswith(f"the nearest: {near}; days here: 2013-01-03 to 2013-01-07 (2). (A scheduled run's id carries the end")
