"""A place of models: the feature set `buyers`, and two models that read it."""
