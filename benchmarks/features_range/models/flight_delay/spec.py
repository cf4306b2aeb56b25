"""flight_delay, whose source goes on: 2013 comes three times."""

from include.models.flight_delay.spec import SPEC as FLIGHTS

SPEC = FLIGHTS.model_copy(update={"data": FLIGHTS.data.model_copy(update={"last": None})})
