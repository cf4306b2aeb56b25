"""What the models of this repository share."""
