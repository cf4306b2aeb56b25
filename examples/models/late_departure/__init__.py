"""Will this flight leave late? A whole model, in another library than `flight_delay`."""
