"""What others than the experiments may ask of them: the read side of their table."""
