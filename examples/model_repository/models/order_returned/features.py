"""From the day's orders to features, questions and answers."""

from datetime import date


def views(day: date) -> dict[str, str]:
    """How many of a customer's orders ended so on the day; known at the last of them."""
    return {
        "customer": f"""
            SELECT customer, max(told_at) AS event_timestamp, avg(returned) AS returned_share
            FROM orders WHERE told_at::DATE = DATE '{day}' GROUP BY customer
        """
    }


def entities() -> str:
    return "SELECT order_id AS request_id, asked_at AS event_timestamp, customer, price FROM orders"


def labels() -> str:
    return "SELECT order_id AS request_id, returned::TINYINT AS returned, told_at AS label_timestamp FROM orders"
