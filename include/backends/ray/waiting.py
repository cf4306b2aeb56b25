"""What a pending job of Ray waits for, from what Ray's REST API says of it and of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.backends.ray.scaling import A_BIT, KIND, amounts, entry_point, shortage
from include.core.ports import Job

ASKED = "asked"  # in a job's metadata, which Ray keeps beside it


def asked(job: Job) -> dict[str, str]:
    """For a job's metadata: what its entry point reserves, in words. Ray's own answers do not say it."""
    wanted = entry_point(job)
    if not wanted:
        return {}
    named = {"CPU": "entrypoint_num_cpus", "GPU": "entrypoint_num_gpus", "memory": "entrypoint_memory"}
    found = {name: float(wanted.get(field, 0)) for name, field in named.items()}
    return {ASKED: amounts({**found, **({f"{KIND}{job.resources.accelerator}": A_BIT} if job.resources.accelerator else {})})}


def words(job: Mapping[str, Any], cluster: Mapping[str, Any]) -> str:
    """In a line. `job`: Ray's answer of it; `cluster`: its answer of `/api/cluster_status`, empty where there was none."""
    wanted = (job.get("metadata") or {}).get(ASKED, "")
    if not wanted:
        return ""
    usage = _usage(cluster)
    if not usage:
        return f"asked for {wanted}; Ray says: {' '.join(str(job.get('message') or 'nothing').split())}"
    total = {name: amount for name, (_, amount) in usage.items()}
    free = {name: amount - used for name, (used, amount) in usage.items()}
    return shortage(wanted, total, free)


def _usage(cluster: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """(used, there is) by resource, as the autoscaler reports it."""
    found: Any = cluster
    for key in ("data", "clusterStatus", "loadMetricsReport", "usage"):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    pairs = {name: value for name, value in found.items() if isinstance(value, list) and len(value) == 2}
    return {str(name): (float(value[0]), float(value[1])) for name, value in pairs.items()}
