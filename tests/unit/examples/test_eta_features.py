"""What is known of a flight an hour before its departure: of landings and departures, those that have happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from examples.models.eta.features import entities, labels, views
from examples.models.eta.raw_days import SOURCES
from examples.models.eta.spec import SPEC

DAY = date(2013, 3, 9)
LANDINGS = [("F1", "2013-03-09 08:30", 10.0), ("F2", "2013-03-09 09:59", 400.0), ("F3", "2013-03-09 10:01", 500.0)]
DEPARTURES = [("F4", "2013-03-09 07:30", 20.0), ("F5", "2013-03-09 09:30", 60.0), ("F6", "2013-03-09 10:30", 170.0)]


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with duckdb.connect() as opened:
        opened.execute("CREATE SCHEMA today")
        opened.execute("""
            CREATE TABLE flights AS SELECT 'F9' flight_id, 'B6' carrier, 'JFK' origin, 'BOS' dest, 'N1' tailnum, 187.0 distance,
                TIMESTAMP '2013-03-09 12:00' sched_dep, TIMESTAMP '2013-03-09 07:00' sched_dep_local,
                TIMESTAMP '2013-03-09 13:10' sched_arr
        """)
        opened.execute("""
            CREATE TABLE landings (flight_id TEXT, landed_at TIMESTAMP, arr_delay DOUBLE, carrier TEXT DEFAULT 'B6',
                origin TEXT DEFAULT 'JFK', dest TEXT DEFAULT 'BOS', tailnum TEXT DEFAULT 'N1')
        """)
        opened.executemany("INSERT INTO landings (flight_id, landed_at, arr_delay) VALUES (?, ?, ?)", LANDINGS)
        opened.execute("""
            CREATE TABLE departures (flight_id TEXT, departed_at TIMESTAMP, dep_delay DOUBLE, carrier TEXT DEFAULT 'B6',
                origin TEXT DEFAULT 'JFK')
        """)
        opened.executemany("INSERT INTO departures (flight_id, departed_at, dep_delay) VALUES (?, ?, ?)", DEPARTURES)
        opened.execute("""
            CREATE TABLE weather AS SELECT 'JFK' origin, TIMESTAMP '2013-03-09 10:00' observed_at, 40.0 temp, 30.0 dewp,
                50.0 humid, 5.0 wind_speed, NULL::DOUBLE wind_gust, 0.0 precip, 1010.0 pressure, 10.0 visib
        """)
        opened.execute("CREATE TABLE today.planes AS SELECT 'N1' tailnum, 1999 AS year, 150 AS seats, 'Turbo-fan' AS engine")
        yield opened


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2013-03-09 {clock}")


def at_ten(connection: Any, view: str, *columns: str) -> tuple[Any, ...]:
    moment = at("10:00")
    found: tuple[Any, ...] = connection.execute(
        f"SELECT {', '.join(columns)} FROM ({views(DAY)[view]}) WHERE event_timestamp = ?", [moment]
    ).fetchone()
    return found


def test_the_sql_gives_the_columns_that_the_spec_names(connection: Any) -> None:
    for view in SPEC.features.views:
        seen = connection.sql(views(DAY)[view.name]).columns
        assert set(seen) == {*view.keys, "event_timestamp", *(feature.name for feature in view.features)}
    asked = connection.sql(entities()).columns
    assert set(asked) == {"request_id", "event_timestamp", *SPEC.features.keys, *(each.name for each in SPEC.features.request)}


def test_it_is_asked_an_hour_before_departure(connection: Any) -> None:
    query = f"SELECT request_id, event_timestamp, hour, scheduled_minutes FROM ({entities()})"
    assert connection.sql(query).fetchall() == [("F9", at("11:00"), 7, 70.0)]


def test_a_label_is_the_delay_itself_known_at_landing(connection: Any) -> None:
    assert connection.sql(f"FROM ({labels()}) ORDER BY ALL").fetchall()[2] == ("F3", 500.0, at("10:01"))


def test_a_landing_counts_once_it_has_happened_and_no_more_than_three_hours(connection: Any) -> None:
    mean, median = at_ten(connection, "carrier_delays", "carrier_mean_delay_168h", "carrier_median_delay_168h")
    assert (mean, median) == (95.0, 95.0)  # of 10 and 180: not of the flight that lands a minute later


def test_a_departure_counts_for_three_hours(connection: Any) -> None:
    columns = ("origin_departure_delay_1h", "origin_departure_delay_3h", "origin_departures_late_3h")
    assert at_ten(connection, "origin_departures", *columns) == ((60 + 2 * 40) / 3, 40.0, 1.0)


def test_a_planes_own_last_landing_is_known_from_the_next_hour_on(connection: Any) -> None:
    assert at_ten(connection, "rotation", "last_arr_delay") == (300.0,)


def test_departures_are_a_source_of_their_own() -> None:
    assert set(SOURCES) == set(SPEC.data.sources)
