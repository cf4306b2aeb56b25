"""A feature set that two models read: weather, computed once. A place of models: SLIPSTREAM_MODELS=examples.feature_sets"""
