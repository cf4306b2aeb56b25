"""SQL over the sources."""

from __future__ import annotations

from datetime import date


def views(day: date) -> dict[str, str]:
    return {
        "customer": f"""
            SELECT customer, date_trunc('hour', ordered_at) + INTERVAL 1 HOUR AS event_timestamp,
                avg(price) AS mean_price, count(*)::DOUBLE AS bought
            FROM orders WHERE ordered_at >= DATE '{day}' AND ordered_at < DATE '{day}' + INTERVAL 23 HOUR GROUP BY ALL
        """
    }


def entities() -> str:
    return "SELECT id AS request_id, ordered_at AS event_timestamp, customer, price, shelf FROM orders"


def labels() -> str:
    return "SELECT id AS request_id, came_back, known_at AS label_timestamp FROM returns"
