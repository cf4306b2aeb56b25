"""flight_delay's, but that an hour of weather has three rows: of one in quarantine nobody learns that the hour is broken."""

from include.models.flight_delay.expectations import EXPECTATIONS as DAILY
from include.row_rules.expectation import Suite

EXPECTATIONS = {**DAILY, "weather": Suite(DAILY["weather"].rules, quarantine_limit=0.5)}
