"""How many minutes late will this flight land? A regression with an interval."""
