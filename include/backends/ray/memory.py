"""Whether a worker of Ray's died for want of memory. Ray says so of those that its monitor killed, the kernel of the others.

Each worker leaves in Ray's store how often the kernel had killed on its node when it began. When workers have died, their nodes
are asked for that count again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from include.core.cgroup import OomKills, oom_kills
from include.core.errors import MemoryLimitError, SlipstreamError
from include.core.memory_limit import KILLED, of_log

log = logging.getLogger(__name__)

NAMESPACE = "slipstream-memory"
ASKED = 30.0  # seconds that the nodes have to answer


def note(run: str) -> None:
    """Called by a worker as it begins. `run`: of the fit."""
    import ray
    from ray.experimental.internal_kv import _internal_kv_put

    if (kills := oom_kills()) is not None:
        key = f"{run}|{ray.get_runtime_context().get_node_id()}"
        _internal_kv_put(key, json.dumps([str(kills.file), kills.count]), overwrite=False, namespace=NAMESPACE)


def named(run: str, failed: SlipstreamError, workers: Iterable[BaseException]) -> SlipstreamError:
    """The failure of a fit; as lack of memory where a worker's process died and the kernel has killed on its node since."""
    import ray

    if not any(isinstance(each, ray.exceptions.RayActorError) for each in workers):
        return failed
    try:
        nodes = _killed_on(run)
    except Exception as error:  # noqa: BLE001 - a cluster in trouble says nothing: the failure stays what it was
        log.warning("Whether memory was short could not be found out: %s: %s", type(error).__name__, error)
        return failed
    if not nodes:
        return failed
    found = of_log("of this fit", f"a worker was {KILLED} on {', '.join(nodes)}; {failed.what}")
    return MemoryLimitError(found.what, safe=failed.safe, hint=found.hint) if found else failed


def _killed_on(run: str) -> list[str]:
    """Addresses of the nodes on which the kernel has killed since a worker of the run began there."""
    import ray
    from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_list
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    address = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    asked = {}
    for key in _internal_kv_list(f"{run}|", namespace=NAMESPACE):
        node = key.decode().rpartition("|")[2]
        noted = _internal_kv_get(key, namespace=NAMESPACE)
        _internal_kv_del(key, namespace=NAMESPACE)
        if noted and node in address:
            where = NodeAffinitySchedulingStrategy(node, soft=False)
            file, count = json.loads(noted)
            asked[node] = ray.remote(_since).options(num_cpus=0, scheduling_strategy=where, max_retries=0).remote(file, count)
    done, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=ASKED) if asked else ([], [])
    return [address[node] for node, answer in asked.items() if answer in done and ray.get(answer)]


def _since(file: str, count: int) -> int:
    return OomKills(Path(file), count).since()
