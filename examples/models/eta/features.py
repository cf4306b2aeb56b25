"""How raw partitions become features, entity rows and labels: SQL over tables named like the sources.

Every hour h of the day gets a row made of what was known at h: landings with landed_at <= h, weather observed at h. Tables reach
back over the spec's lookback in `views`; `today.x`, and all of `entities` and `labels`, is the day alone.
"""

from __future__ import annotations

from datetime import date

ASKED_BEFORE = "INTERVAL 1 HOUR"  # before the scheduled departure
LEAST, MOST = -60, 180  # minutes: a mean of delays must not be one flight's that came a day late


def views(day: date) -> dict[str, str]:
    """View name to SQL: keys, event_timestamp (UTC), features. Rows of `day` only."""
    return {
        "weather": _weather(day),
        "carrier_delays": _delays(day, "carrier", "carrier"),
        "route_delays": _delays(day, "route", "carrier, origin, dest"),
        "origin_delays": _delays(day, "origin", "origin"),
        "origin_departures": _departures(day, "origin", "origin"),
        "carrier_departures": _departures(day, "carrier", "carrier, origin"),
        "rotation": _rotation(day),
        "plane": _plane(day),
    }


def entities() -> str:
    """A row for each scheduled flight, an hour before its departure."""
    return f"""
        SELECT flight_id AS request_id, sched_dep - {ASKED_BEFORE} AS event_timestamp, carrier, origin, dest, tailnum,
            carrier AS carrier_code, origin AS origin_code, dest AS dest_code,
            hour(sched_dep_local) AS hour, isodow(sched_dep_local) AS weekday, distance,
            date_diff('minute', sched_dep, sched_arr)::DOUBLE AS scheduled_minutes
        FROM flights
    """


def labels() -> str:
    """Minutes after the schedule's arrival, below 0 where the flight was early. One that never lands has no label."""
    return "SELECT flight_id AS request_id, arr_delay::DOUBLE AS arrival_delay, landed_at AS label_timestamp FROM landings"


def _hours(day: date) -> str:
    return f"(SELECT unnest(generate_series(TIMESTAMP '{day}', TIMESTAMP '{day} 23:00:00', INTERVAL 1 HOUR)) AS h)"


def _weather(day: date) -> str:
    """Hourly observations; a duplicated hour keeps its last row in the order of all columns."""
    return f"""
        SELECT DISTINCT ON (origin, observed_at) origin, observed_at AS event_timestamp,
            temp, dewp, humid, wind_speed, wind_gust, precip, pressure, visib
        FROM weather WHERE observed_at::DATE = DATE '{day}' ORDER BY ALL
    """


def _delays(day: date, kind: str, keys: str) -> str:
    """Mean delay and flying time over 6 h and 168 h; the week leans to the whole network, the 6 h to their own week."""
    return f"""
        WITH sums AS (
            SELECT {keys}, h, count(*) AS n, sum(delay) AS delay, median(delay) AS middle,
                count(*) FILTER (recent) AS n6, coalesce(sum(delay) FILTER (recent), 0) AS delay6
            FROM (
                SELECT {keys}, h, greatest(least(arr_delay, {MOST}), {LEAST}) AS delay, landed_at > h - INTERVAL 6 HOUR AS recent
                FROM landings JOIN {_hours(day)} ON landed_at <= h AND landed_at > h - INTERVAL 168 HOUR
            ) GROUP BY ALL
        ), week AS (
            SELECT *, (delay + 20 * sum(delay) OVER hourly / sum(n) OVER hourly) / (n + 20) AS delay_week
            FROM sums WINDOW hourly AS (PARTITION BY h)
        )
        SELECT {keys}, h AS event_timestamp, (delay6 + 3 * delay_week) / (n6 + 3) AS {kind}_mean_delay_6h,
            delay_week AS {kind}_mean_delay_168h, middle AS {kind}_median_delay_168h
        FROM week
    """


def _departures(day: date, kind: str, keys: str) -> str:
    """How late flights have left in the last hour, and the last 3: what lands late later is seen here first."""
    return f"""
        WITH sums AS (
            SELECT {keys}, h, count(*) AS n, sum(delay) AS delay, count(*) FILTER (recent) AS n1,
                coalesce(sum(delay) FILTER (recent), 0) AS delay1, sum((delay > 15)::INT) AS late
            FROM (
                SELECT {keys}, h, greatest(least(dep_delay, {MOST}), {LEAST}) AS delay,
                    departed_at > h - INTERVAL 1 HOUR AS recent
                FROM departures JOIN {_hours(day)} ON departed_at <= h AND departed_at > h - INTERVAL 3 HOUR
            ) GROUP BY ALL
        )
        SELECT {keys}, h AS event_timestamp, (delay1 + 2 * delay / n) / (n1 + 2) AS {kind}_departure_delay_1h,
            delay / n AS {kind}_departure_delay_3h, late / n AS {kind}_departures_late_3h
        FROM sums
    """


def _rotation(day: date) -> str:
    """The plane's own last landing: it flies on, and brings its delay along."""
    return f"""
        SELECT tailnum, date_trunc('hour', landed_at - INTERVAL 1 MICROSECOND) + INTERVAL 1 HOUR AS event_timestamp,
            greatest(least(arg_max(arr_delay, (landed_at, flight_id)), 300), {LEAST}) AS last_arr_delay
        FROM landings WHERE tailnum IS NOT NULL AND event_timestamp::DATE = DATE '{day}' GROUP BY tailnum, event_timestamp
    """


def _plane(day: date) -> str:
    """The registry as it stood when the day began."""
    return f"""
        SELECT tailnum, TIMESTAMP '{day}' AS event_timestamp, max(year)::DOUBLE AS plane_year, max(seats)::DOUBLE AS plane_seats,
            max(engine) AS engine
        FROM today.planes GROUP BY tailnum
    """
