"""The demonstration's model over three years."""
