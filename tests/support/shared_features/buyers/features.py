"""SQL over the source."""

from __future__ import annotations

from datetime import date


def views(day: date) -> dict[str, str]:
    return {
        "customer": f"""
            SELECT customer, date_trunc('hour', ordered_at) + INTERVAL 1 HOUR AS event_timestamp,
                avg(price) AS mean_price, count(*)::DOUBLE AS bought
            FROM purchases WHERE ordered_at >= DATE '{day}' AND ordered_at < DATE '{day}' + INTERVAL 23 HOUR GROUP BY ALL
        """,
        "shelves": f"""
            SELECT shelf, TIMESTAMP '{day} 23:00:00' AS event_timestamp, max(price) AS dearest
            FROM today.purchases GROUP BY shelf
        """,
    }
