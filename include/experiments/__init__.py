"""Experiments: one version held against the champion on callers' outcomes, until the difference is known well enough.

A rollout asks whether a version is not worse; an experiment asks whether it is better, and by how much (docs/experiments.md).
"""
