"""A package of models for the operators' tests: `SLIPSTREAM_MODELS` names it."""
