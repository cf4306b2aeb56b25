"""Request features: the compiled evaluator against DuckDB, bit for bit, and what a request costs beside the alternatives."""
