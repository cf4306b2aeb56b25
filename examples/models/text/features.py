"""How raw partitions become features, entity rows and labels: SQL over tables named like the sources."""

from __future__ import annotations

from datetime import date

PRIOR, MEAN = 5, 4.2  # reviews of the mean of all that a garment's own are mixed with


def views(day: date) -> dict[str, str]:
    """What the last four weeks said of a garment, as of the day's end: of the day's own reviews only the day after knows."""
    return {
        "garment": f"""
            SELECT clothing_id, TIMESTAMP '{day} 23:59:59.999999' AS event_timestamp, count(*)::DOUBLE AS garment_reviews,
                (sum(stars::DOUBLE) + {PRIOR * MEAN}) / (count(*) + {PRIOR}) AS garment_stars
            FROM stars WHERE known_at > TIMESTAMP '{day}' - INTERVAL 28 DAY GROUP BY ALL
        """
    }


def entities() -> str:
    """A row a review, asked as it is written."""
    return """
        SELECT review_id AS request_id, written_at AS event_timestamp, clothing_id, title, review, department, age
        FROM reviews
    """


def labels() -> str:
    return "SELECT review_id AS request_id, stars, known_at AS label_timestamp FROM stars"
