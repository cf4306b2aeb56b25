"""The events that join the DAGs into a loop.

Names, not URIs: for a URI Airflow asks every provider for its scheme, which imports boto3 while DAG files are parsed.
"""

from __future__ import annotations

from airflow.sdk import Asset


def candidate_asset(model: str) -> Asset:
    """A version passed its gate. `extra`: {"version": int, "as_of": ISO}."""
    return Asset(f"{model}_candidate")


def retrain_asset(model: str) -> Asset:
    """Monitoring decided to retrain. `extra`: {"decision": key, "as_of": ISO, "words": why}."""
    return Asset(f"{model}_retrain")
