"""Features as events arrive: against the batch, killed, at full speed and at a steady rate."""
