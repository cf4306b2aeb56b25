"""From the day's parcels to features, questions and answers."""

from datetime import date


def views(day: date) -> dict[str, str]:
    """How many of a carrier's parcels ended so on the day; known at the last of them."""
    return {
        "carrier": f"""
            SELECT carrier, max(told_at) AS event_timestamp, avg(late) AS late_share
            FROM parcels WHERE told_at::DATE = DATE '{day}' GROUP BY carrier
        """
    }


def entities() -> str:
    return "SELECT parcel_id AS request_id, asked_at AS event_timestamp, carrier, weight FROM parcels"


def labels() -> str:
    return "SELECT parcel_id AS request_id, late::TINYINT AS late, told_at AS label_timestamp FROM parcels"
