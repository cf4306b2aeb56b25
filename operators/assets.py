"""The events that join the DAGs into a loop."""

from __future__ import annotations

from airflow.sdk import Asset


def candidate_asset(model: str) -> Asset:
    """A version passed its gate. `extra`: {"version": int, "as_of": ISO}."""
    return Asset(name=f"{model}_candidate", uri=f"slipstream://{model}/candidate")


def retrain_asset(model: str) -> Asset:
    """Monitoring decided to retrain. `extra`: {"decision": key, "as_of": ISO, "words": why}."""
    return Asset(name=f"{model}_retrain", uri=f"slipstream://{model}/retrain")
