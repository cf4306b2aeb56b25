"""Benchmarks: the peer and ours side by side in one run, ratios printed, non-zero exit when a goal is missed."""
