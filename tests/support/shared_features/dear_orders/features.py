"""SQL over the source."""

from __future__ import annotations

from datetime import date


def views(day: date) -> dict[str, str]:
    return {
        "hourly": f"""
            SELECT shelf, date_trunc('hour', ordered_at) + INTERVAL 1 HOUR AS event_timestamp, count(*)::DOUBLE AS sold
            FROM orders WHERE ordered_at >= DATE '{day}' AND ordered_at < DATE '{day}' + INTERVAL 23 HOUR GROUP BY ALL
        """
    }


def entities() -> str:
    return """
        SELECT id AS request_id, ordered_at AS event_timestamp, customer, shelf, (shelf = 'low')::INT AS low FROM orders
    """


def labels() -> str:
    return """
        SELECT id AS request_id, (price > 40)::TINYINT AS dear, ordered_at + INTERVAL 2 HOUR AS label_timestamp FROM orders
    """
