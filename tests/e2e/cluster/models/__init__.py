"""The model that the machines run: part of every machine's image."""
