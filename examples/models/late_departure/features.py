"""How raw partitions become features, entity rows and labels: SQL over tables named like the sources."""

from datetime import date


def views(day: date) -> dict[str, str]:
    return {
        "sky": f"""
            SELECT DISTINCT ON (origin, observed_at) origin, observed_at AS event_timestamp, visib, wind_speed
            FROM weather WHERE observed_at::DATE = DATE '{day}' ORDER BY ALL
        """
    }


def entities() -> str:
    return """
        SELECT flight_id AS request_id, landed_at - INTERVAL 6 HOUR AS event_timestamp, origin,
            carrier AS carrier_code, hour(landed_at - INTERVAL 6 HOUR) AS hour
        FROM landings
    """


def labels() -> str:
    return "SELECT flight_id AS request_id, (dep_delay >= 30)::TINYINT AS left_late, landed_at AS label_timestamp FROM landings"
