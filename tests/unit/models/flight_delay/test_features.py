"""flight_delay's SQL against a plain Python account of what was known when."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest

from include.core.catalog import load_spec
from include.models.flight_delay.features import entities, labels, views

DAY = date(2013, 3, 9)
MIDNIGHT = datetime.fromisoformat("2013-03-09")
HOUR = timedelta(hours=1)
Landing = dict[str, object]


def random_landings(count: int = 400) -> list[Landing]:
    chance = random.Random(7)
    return [
        {
            "flight_id": f"F{n}",
            "carrier": chance.choice("AB"),
            "origin": chance.choice(["JFK", "EWR"]),
            "dest": chance.choice(["LAX", "ORD"]),
            "tailnum": chance.choice(["N1", "N2", "N3", None]),
            # Some exactly on the hour, some in the hours after the day: they must not be seen.
            "landed_at": MIDNIGHT + timedelta(minutes=chance.choice([30, 7]) * chance.randrange(-450, 60)),
            "arr_delay": float(chance.randrange(-40, 250)),
        }
        for n in range(count)
    ]


@pytest.fixture
def landings() -> list[Landing]:
    return random_landings()


def run(sql: str, **tables: list[dict[str, object]]) -> list[dict[str, object]]:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA today")
        for name, rows in tables.items():
            connection.register("arrow", pa.Table.from_pylist(rows))
            connection.execute(f"CREATE TABLE main.{name} AS FROM arrow; CREATE TABLE today.{name} AS FROM arrow")
        found: list[dict[str, object]] = connection.sql(sql).to_arrow_table().to_pylist()
        return found


def expected_rates(landings: list[Landing], carrier: str, hour: datetime) -> tuple[float, float, float, float]:
    """late_rate_6h, mean_delay_6h, late_rate_168h, mean_delay_168h as one would compute them by hand."""

    def known(since: timedelta, who: str | None) -> list[float]:
        return [
            min(180.0, max(-30.0, row["arr_delay"]))  # type: ignore[call-overload]
            for row in landings
            if hour - since < row["landed_at"] <= hour and who in (None, row["carrier"])  # type: ignore[operator]
        ]

    week, everyone, recent = known(168 * HOUR, carrier), known(168 * HOUR, None), known(6 * HOUR, carrier)

    def late(delays: list[float]) -> int:
        return sum(delay >= 15 for delay in delays)

    late_week = (late(week) + 20 * late(everyone) / len(everyone)) / (len(week) + 20)
    delay_week = (sum(week) + 20 * sum(everyone) / len(everyone)) / (len(week) + 20)
    return (
        (late(recent) + 3 * late_week) / (len(recent) + 3),
        (sum(recent) + 3 * delay_week) / (len(recent) + 3),
        late_week,
        delay_week,
    )


def test_rates_of_each_hour_hold_exactly_what_had_landed_by_then(landings: list[Landing]) -> None:
    rows = run(views(DAY)["carrier_delays"], landings=landings)
    assert {row["event_timestamp"] for row in rows} == {MIDNIGHT + n * HOUR for n in range(24)}
    names = [f"carrier_{what}" for what in ("late_rate_6h", "mean_delay_6h", "late_rate_168h", "mean_delay_168h")]
    for row in rows:
        seen = tuple(row[name] for name in names)
        assert seen == pytest.approx(expected_rates(landings, row["carrier"], row["event_timestamp"]))  # type: ignore[arg-type]


@pytest.mark.parametrize("view", ["carrier_delays", "route_delays", "origin_delays", "rotation"])
def test_no_row_changes_when_the_future_does(landings: list[Landing], view: str) -> None:
    noon = MIDNIGHT + 12 * HOUR
    other = [row if row["landed_at"] <= noon else {**row, "arr_delay": 999.0} for row in landings]  # type: ignore[operator]
    both = [run(views(DAY)[view], landings=rows) for rows in (landings, other)]

    def until_noon(rows: list[dict[str, object]]) -> list[str]:
        return sorted(str(row) for row in rows if row["event_timestamp"] <= noon)  # type: ignore[operator]

    assert until_noon(both[0]) == until_noon(both[1]) != []
    assert sorted(map(str, both[0])) != sorted(map(str, both[1]))


def test_rotation_is_the_last_landing_of_the_hour_known_at_its_end(landings: list[Landing]) -> None:
    rows = run(views(DAY)["rotation"], landings=landings)
    assert rows
    for row in rows:
        end: datetime = row["event_timestamp"]  # type: ignore[assignment]
        within = [one for one in landings if one["tailnum"] == row["tailnum"] and end - HOUR < one["landed_at"] <= end]  # type: ignore[operator]
        last = max(one["landed_at"] for one in within)  # type: ignore[type-var]
        allowed = {min(300.0, max(-60.0, one["arr_delay"])) for one in within if one["landed_at"] == last}  # type: ignore[call-overload]
        assert row["last_arr_delay"] in allowed
        assert row["tailnum"] is not None


def test_weather_of_a_repeated_hour_is_one_row_and_other_days_are_left_out() -> None:
    measures = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    rows = [
        {"origin": "JFK", "observed_at": MIDNIGHT + n * HOUR, **dict.fromkeys(measures, float(value))}
        for n, value in ((-1, 1), (0, 2), (5, 3), (5, 4), (24, 5))
    ]
    found = run(views(DAY)["weather"], weather=rows)
    assert [(row["event_timestamp"], row["temp"]) for row in found] == [(MIDNIGHT, 2.0), (MIDNIGHT + 5 * HOUR, 3.0)]


def test_entities_are_asked_two_hours_ahead_in_local_time_and_labels_come_with_the_landing() -> None:
    flight = {
        "flight_id": "F1", "carrier": "AA", "origin": "JFK", "dest": "LAX", "tailnum": "N1", "distance": 2475.0,
        "sched_dep": MIDNIGHT + HOUR, "sched_dep_local": MIDNIGHT - 4 * HOUR, "sched_arr": MIDNIGHT + 7 * HOUR,
    }  # fmt: skip
    (row,) = run(entities(), flights=[flight])
    assert row["event_timestamp"] == MIDNIGHT - HOUR
    assert (row["hour"], row["weekday"], row["scheduled_minutes"]) == (20, 5, 360.0)
    landed = [{"flight_id": f"F{n}", "arr_delay": delay, "landed_at": MIDNIGHT} for n, delay in enumerate((14.0, 15.0))]
    assert [(row["late"], row["label_timestamp"]) for row in run(labels(), landings=landed)] == [(0, MIDNIGHT), (1, MIDNIGHT)]


def test_the_spec_and_the_sql_name_the_same_views() -> None:
    assert {view.name for view in load_spec("flight_delay").features.views} == set(views(DAY))
