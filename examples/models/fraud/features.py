"""How raw partitions become features, entity rows and labels: SQL over tables named like the sources.

Features are by minute: what happened within a minute is known when the minute is over. So a question sees what came before its
own payment and never the payment itself, and a stream pushes each row at the end of its minute. Tables reach back over the
spec's lookback in `views`; all of `entities` and `labels` is the day alone.
"""

from __future__ import annotations

from datetime import date

MINUTE_OVER = "date_trunc('minute', {time}) + INTERVAL 1 MINUTE"


def views(day: date) -> dict[str, str]:
    """View name to SQL: keys, event_timestamp (UTC), features. Rows of `day` only."""
    return {
        "customer": _payments(day, "customer"),
        "terminal": _payments(day, "terminal"),
        "customer_risk": _risk(day, "customer"),
        "terminal_risk": _risk(day, "terminal"),
    }


def entities() -> str:
    """A row for each payment, asked as it is made: before it counts anywhere."""
    return """
        SELECT transaction_id AS request_id, paid_at AS event_timestamp, customer_id, terminal_id, amount, hour(paid_at) AS hour,
            isodow(paid_at) AS weekday
        FROM payments
    """


def labels() -> str:
    """A week after its payment."""
    return "SELECT transaction_id AS request_id, fraud::TINYINT AS fraud, reported_at AS label_timestamp FROM reports"


def _payments(day: date, who: str) -> str:
    """What was paid by a customer, or at a terminal, in the days before the end of a minute in which something was."""
    over = MINUTE_OVER.format(time="paid_at")
    return f"""
        WITH minutes AS (
            SELECT {who}_id, {over} AS event_timestamp, count(*) AS n, sum(amount) AS paid, sum(amount * amount) AS squares,
                max(amount) AS largest
            FROM payments GROUP BY ALL
        )
        SELECT {who}_id, event_timestamp,
            sum(n) OVER day1::DOUBLE AS {who}_payments_1d, sum(paid) OVER day1 AS {who}_paid_1d,
            sum(n) OVER day7::DOUBLE AS {who}_payments_7d, sum(paid) OVER day7 / sum(n) OVER day7 AS {who}_mean_7d,
            sum(n) OVER day14::DOUBLE AS {who}_payments_14d, sum(paid) OVER day14 / sum(n) OVER day14 AS {who}_mean_14d,
            sqrt(greatest(sum(squares) OVER day14 / sum(n) OVER day14 - (sum(paid) OVER day14 / sum(n) OVER day14) ** 2, 0))
                AS {who}_deviation_14d,
            max(largest) OVER day14 AS {who}_largest_14d
        FROM minutes
        WINDOW day1 AS (PARTITION BY {who}_id ORDER BY event_timestamp RANGE INTERVAL 1 DAY PRECEDING),
            day7 AS (PARTITION BY {who}_id ORDER BY event_timestamp RANGE INTERVAL 7 DAY PRECEDING),
            day14 AS (PARTITION BY {who}_id ORDER BY event_timestamp RANGE INTERVAL 14 DAY PRECEDING)
        QUALIFY event_timestamp::DATE = DATE '{day}'
    """


def _risk(day: date, who: str) -> str:
    """What has been reported of a customer's, or a terminal's, payments by the end of a minute in which something was."""
    over = MINUTE_OVER.format(time="reported_at")
    return f"""
        WITH minutes AS (
            SELECT {who}_id, {over} AS event_timestamp, count(*) AS n, sum(fraud) AS frauds FROM reports GROUP BY ALL
        )
        SELECT {who}_id, event_timestamp,
            sum(frauds) OVER day1::DOUBLE AS {who}_frauds_1d, sum(frauds) OVER day7::DOUBLE AS {who}_frauds_7d,
            sum(frauds) OVER day14::DOUBLE AS {who}_frauds_14d,
            (sum(frauds) OVER day14 / (sum(n) OVER day14 + 5))::DOUBLE AS {who}_risk_14d
        FROM minutes
        WINDOW day1 AS (PARTITION BY {who}_id ORDER BY event_timestamp RANGE INTERVAL 1 DAY PRECEDING),
            day7 AS (PARTITION BY {who}_id ORDER BY event_timestamp RANGE INTERVAL 7 DAY PRECEDING),
            day14 AS (PARTITION BY {who}_id ORDER BY event_timestamp RANGE INTERVAL 14 DAY PRECEDING)
        QUALIFY event_timestamp::DATE = DATE '{day}'
    """
