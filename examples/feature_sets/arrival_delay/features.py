"""The views of flight_delay that are its own."""

from __future__ import annotations

from datetime import date

from include.models.flight_delay import features as flight_delay


def views(day: date) -> dict[str, str]:
    return {name: sql for name, sql in flight_delay.views(day).items() if name != "weather"}
