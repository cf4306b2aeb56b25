"""A package of models as `include.models` is one: `SLIPSTREAM_MODELS=examples.models` runs them where they are."""
