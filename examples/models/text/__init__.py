"""How many stars does a review give, by its text? Five classes, and a model that reads text."""
