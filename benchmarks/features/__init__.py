"""Features: the point-in-time join, materialization and online reads, each beside its peer."""
