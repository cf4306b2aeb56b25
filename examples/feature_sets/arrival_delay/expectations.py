"""What flight_delay's own sources must look like; of the weather the feature set says it."""

from include.models.flight_delay.expectations import EXPECTATIONS as FLIGHT_DELAY

EXPECTATIONS = {name: suite for name, suite in FLIGHT_DELAY.items() if name != "weather"}
