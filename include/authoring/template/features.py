"""How raw days become features, questions and labels: DuckDB SQL over tables named like the sources.

A table reaches back over `data.lookback_days`; `today.orders` is the day alone, and so are all tables in `entities` and `labels`.
Rows that break a quarantine rule of expectations.py are in none of them.
"""

from __future__ import annotations

from datetime import date


def views(day: date) -> dict[str, str]:
    """View name to SQL: its keys, `event_timestamp`, its features. Rows of `day` alone.

    `event_timestamp` is the moment from which on a value is known. Here all of it is known as the day begins, from what
    happened before: no row can see its own order, nor what became of it.
    """
    begins = f"TIMESTAMP '{day}'"
    return {
        "customer": f"""
            SELECT customer_id, {begins} AS event_timestamp,
                count(*)::DOUBLE AS orders_7d, avg(price) AS mean_price_7d,
                count(*) FILTER (sent_back = 1)::DOUBLE AS sent_back_7d
            FROM orders LEFT JOIN (SELECT order_id, sent_back FROM outcomes WHERE known_at < {begins}) USING (order_id)
            WHERE ordered_at < {begins} AND ordered_at >= {begins} - INTERVAL 7 DAY
            GROUP BY customer_id
        """
    }


def entities() -> str:
    """One row a question: who is asked about, when, and what the caller sends."""
    return "SELECT order_id AS request_id, ordered_at AS event_timestamp, customer_id, price, category FROM orders"


def labels() -> str:
    """The answers, and when each became known: after its question, often days later."""
    return "SELECT order_id AS request_id, sent_back, known_at AS label_timestamp FROM outcomes"
