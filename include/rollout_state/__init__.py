"""What others than the rollout itself may ask of the rollouts: the read side of its tables, without its machinery."""
