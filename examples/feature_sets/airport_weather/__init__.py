"""Weather at the airports of New York, for whoever asks."""
