"""Expressions of request features: a closed part of SQL, parsed and typed. What they mean is DuckDB's, and nothing here runs one.

include/request_features evaluates them, by DuckDB in training and by a compiled function in the gateway.
"""
