"""Features of flight_delay, as SQL over the raw sources: one definition for partitions, stream and replay.

Each hour h of the day gets a row made of what was known at h: landings with landed_at <= h, weather observed at h.
Tables reach back over the spec's lookback in `views`; `today.x`, and all of `entities` and `labels`, is the day alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

LATE_MINUTES = 15
ASKED_BEFORE = "INTERVAL 2 HOUR"  # before the scheduled departure


def views(day: date) -> dict[str, str]:
    """View name to SQL: keys, event_timestamp (UTC), features. Rows of `day` only."""
    hours = f"(SELECT unnest(generate_series(TIMESTAMP '{day}', TIMESTAMP '{day} 23:00:00', INTERVAL 1 HOUR)) AS h)"
    return views_of(hours, f"TIMESTAMP '{day}'", lambda time: f"{time}::DATE = DATE '{day}'")


def views_of(hours: str, begins: str, own: Callable[[str], str]) -> dict[str, str]:
    """The same for partitions of any length, by SQL: a relation of hours `h`, the first moment, and whether a time is its own."""
    return {
        "weather": _weather(own("observed_at")),
        "carrier_delays": _delays(hours, "carrier", "carrier"),
        "route_delays": _delays(hours, "route", "origin, dest"),
        "origin_delays": _delays(hours, "origin", "origin"),
        "rotation": _rotation(own("event_timestamp")),
        "plane": _plane(begins),
    }


def entities() -> str:
    """A row for each scheduled flight, two hours before its departure."""
    return f"""
        SELECT flight_id AS request_id, sched_dep - {ASKED_BEFORE} AS event_timestamp, carrier, origin, dest, tailnum,
            carrier AS carrier_code, origin AS origin_code, dest AS dest_code,
            hour(sched_dep_local) AS hour, isodow(sched_dep_local) AS weekday, distance,
            date_diff('minute', sched_dep, sched_arr)::DOUBLE AS scheduled_minutes
        FROM flights
    """


def labels() -> str:
    """Known once the flight has landed; a flight that never lands has no label."""
    return f"""
        SELECT flight_id AS request_id, (arr_delay >= {LATE_MINUTES})::TINYINT AS late, landed_at AS label_timestamp
        FROM landings
    """


def _weather(own: str) -> str:
    """Hourly observations; a duplicated hour keeps its last row in the order of all columns."""
    return f"""
        SELECT DISTINCT ON (origin, observed_at) origin, observed_at AS event_timestamp,
            temp, dewp, humid, wind_speed, wind_gust, precip, pressure, visib
        FROM weather WHERE {own} ORDER BY ALL
    """


def _delays(hours: str, kind: str, keys: str) -> str:
    """Late share and mean delay over 6 h and 168 h; the week leans to the whole network, 6 h to its own week."""
    return f"""
        WITH sums AS (
            SELECT {keys}, h, count(*) AS n, sum(late) AS late, sum(delay) AS delay,
                count(*) FILTER (recent) AS n6, coalesce(sum(late) FILTER (recent), 0) AS late6,
                coalesce(sum(delay) FILTER (recent), 0) AS delay6
            FROM (
                SELECT {keys}, h, (arr_delay >= {LATE_MINUTES})::INT AS late, greatest(least(arr_delay, 180), -30) AS delay,
                    landed_at > h - INTERVAL 6 HOUR AS recent
                FROM landings JOIN {hours} ON landed_at <= h AND landed_at > h - INTERVAL 168 HOUR
            ) GROUP BY ALL
        ), week AS (
            SELECT *, (late + 20 * sum(late) OVER hourly / sum(n) OVER hourly) / (n + 20) AS late_week,
                (delay + 20 * sum(delay) OVER hourly / sum(n) OVER hourly) / (n + 20) AS delay_week
            FROM sums WINDOW hourly AS (PARTITION BY h)
        )
        SELECT {keys}, h AS event_timestamp,
            (late6 + 3 * late_week) / (n6 + 3) AS {kind}_late_rate_6h,
            (delay6 + 3 * delay_week) / (n6 + 3) AS {kind}_mean_delay_6h,
            late_week AS {kind}_late_rate_168h, delay_week AS {kind}_mean_delay_168h
        FROM week
    """


def _rotation(own: str) -> str:
    """The plane's own last landing: it flies on, and brings its delay along."""
    return f"""
        SELECT tailnum, date_trunc('hour', landed_at - INTERVAL 1 MICROSECOND) + INTERVAL 1 HOUR AS event_timestamp,
            greatest(least(arg_max(arr_delay, (landed_at, flight_id)), 300), -60) AS last_arr_delay
        FROM landings WHERE tailnum IS NOT NULL AND {own} GROUP BY tailnum, event_timestamp
    """


def _plane(begins: str) -> str:
    """The registry as it stood when the day began."""
    return f"""
        SELECT tailnum, {begins} AS event_timestamp, max(year)::DOUBLE AS plane_year, max(seats)::DOUBLE AS plane_seats,
            max(engine) AS engine
        FROM today.planes GROUP BY tailnum
    """
