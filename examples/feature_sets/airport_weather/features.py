"""SQL over the source."""

from __future__ import annotations

from datetime import date


def views(day: date) -> dict[str, str]:
    """An hour that came twice keeps its last row in the order of all columns."""
    return {
        "weather": f"""
            SELECT DISTINCT ON (origin, observed_at) origin, observed_at AS event_timestamp,
                temp, dewp, humid, wind_speed, wind_gust, precip, pressure, visib
            FROM weather WHERE observed_at::DATE = DATE '{day}' ORDER BY ALL
        """
    }
