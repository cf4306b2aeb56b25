"""How raw partitions become features, entity rows and labels: SQL over tables named like the sources.

A question is a visit: a day on which a user rates films. Its candidates are the films rated then, of those that somebody had
rated on an earlier day, and films drawn from the catalogue that the user has never rated.
"""

from __future__ import annotations

from datetime import date

DAYS = 14  # over which a film's share of the likes is counted
CHARTED = 100  # films in the charts
MARKET = "us"  # whose charts: MovieLens-100k has one
DRAWN = 150  # films beside those that were rated, for each visit


def views(day: date) -> dict[str, str]:
    """Both as of the day's end: the questions of a day see the day before's."""
    ends = f"TIMESTAMP '{day} 23:59:59.999999'"
    return {
        "taste": f"""
            SELECT user_id, {ends} AS event_timestamp, user_id AS member, coalesce(liked, '') AS liked, rated
            FROM today.profiles
        """,
        "film": f"""
            WITH likes AS (
                SELECT film_id, count(*) FILTER (came_before)::DOUBLE AS again, count(*) FILTER (NOT came_before)::DOUBLE AS first
                FROM ratings WHERE rating >= 4 AND rated_at >= TIMESTAMP '{day}' - INTERVAL {DAYS - 1} DAY GROUP BY ALL
            )
            SELECT film_id, {ends} AS event_timestamp, film_id AS film,
                100 * coalesce(again, 0) / greatest((SELECT sum(again) FROM likes), 1) AS share,
                100 * coalesce(first, 0) / greatest((SELECT sum(first) FROM likes), 1) AS share_of_first
            FROM today.films LEFT JOIN likes USING (film_id)
        """,
        # Films that came since a version was trained have no vector: they are found by what all like now.
        "charts": f"""
            SELECT '{MARKET}' AS market, {ends} AS event_timestamp,
                string_agg(film_id, ' ' ORDER BY again DESC, film_id) AS charted
            FROM (
                SELECT film_id, count(*) FILTER (came_before) AS again FROM ratings
                WHERE rating >= 4 AND rated_at >= TIMESTAMP '{day}' - INTERVAL {DAYS - 1} DAY
                GROUP BY ALL ORDER BY again DESC, film_id LIMIT {CHARTED}
            )
        """,
    }


def entities() -> str:
    """A row for each candidate of each visit, asked a second before the visit's first rating."""
    return f"""
        WITH visits AS (
            SELECT visit_id, user_id,
                greatest(min(rated_at) - INTERVAL 1 SECOND, date_trunc('day', min(rated_at))) AS asked_at
            FROM ratings GROUP BY ALL
        ), candidates AS (
            SELECT visit_id, film_id FROM ratings WHERE known UNION ALL SELECT visit_id, film_id FROM ({_drawn()})
        )
        SELECT visit_id || '/' || film_id AS request_id, asked_at AS event_timestamp, visit_id, user_id,
            '{MARKET}' AS market, film_id
        FROM candidates JOIN visits USING (visit_id)
    """


def labels() -> str:
    """1 for a film that was liked, else 0; known when it was rated, of what was not rated when the visit is over."""
    return f"""
        SELECT visit_id || '/' || film_id AS request_id, (rating >= 4)::DOUBLE AS liked_then, rated_at AS label_timestamp
        FROM ratings WHERE known
        UNION ALL
        SELECT visit_id || '/' || film_id, 0.0, ended_at
        FROM ({_drawn()}) JOIN (SELECT visit_id, max(rated_at) AS ended_at FROM ratings GROUP BY ALL) USING (visit_id)
    """


def _drawn() -> str:
    """Films of the catalogue that the user has not rated by the end of the visit, the same ones each time: half of them those
    that others rate most on the day, as a ranker will be given, half of them any."""
    return f"""
        WITH others AS (
            SELECT visit_id, film_id, coalesce(times, 0) AS times
            FROM (SELECT DISTINCT visit_id, user_id FROM ratings)
            JOIN (SELECT user_id, string_split(rated, ' ') AS rated FROM profiles) USING (user_id) CROSS JOIN films
            LEFT JOIN (SELECT film_id, count(*) AS times FROM ratings GROUP BY ALL) USING (film_id)
            WHERE NOT list_contains(rated, film_id)
        )
        SELECT visit_id, film_id FROM others
        QUALIFY row_number() OVER (PARTITION BY visit_id ORDER BY times DESC, md5(visit_id || film_id)) <= {DRAWN // 2}
            OR row_number() OVER (PARTITION BY visit_id ORDER BY md5(film_id || visit_id)) <= {DRAWN // 2}
    """
