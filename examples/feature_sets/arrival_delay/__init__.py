"""flight_delay, with the weather of the feature set in place of its own."""
