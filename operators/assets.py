"""The events that join the DAGs into a loop.

Names, not URIs: for a URI Airflow asks every provider for its scheme, which imports boto3 while DAG files are parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Asset, AssetAlias


def candidate_asset(model: str) -> Asset:
    """A version passed its gate. `extra`: {"version": int, "as_of": ISO}."""
    return Asset(f"{model}_candidate")


def retrain_asset(model: str) -> Asset:
    """Monitoring decided to retrain. `extra`: {"decision": key, "as_of": ISO, "words": why}."""
    return Asset(f"{model}_retrain")


def partition_asset(model: str) -> Asset:
    """A partition of the model's features is published and online. An event's partition key is the partition's name, so that a
    DAG with `schedule=PartitionedAssetTimetable(assets=partition_asset("flight_delay"))` runs once for each."""
    return Asset(f"{model}_partition")


def with_outlet(alias: AssetAlias | Asset, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """An operator's arguments with an outlet of ours beside the author's own.

    A mapped operator is made anew for each of its tasks from what it was made from: the alias stands among them once.
    """
    given = kwargs.get("outlets") or []
    outlets = list(given) if isinstance(given, list | tuple | set) else [given]
    return {**kwargs, "outlets": [*outlets, *([] if alias in outlets else [alias])]}
