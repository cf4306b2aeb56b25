"""Workers that the kernel killed for want of memory are told from those that somebody else killed, by the count on their node."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from include.backends.ray import memory
from include.core.cgroup import OomKills
from include.core.errors import JobFailedError, MemoryLimitError

FAILED = JobFailedError("Distributed training on 2 workers failed.", safe="checkpoints of steps [4] are kept.")


class RayActorError(Exception):
    """As Ray has it."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """Two nodes; what runs on one is run here, at once. `dead`: nodes that have left."""
    state = SimpleNamespace(kept={}, dead=set(), node="n1", counter=tmp_path / "memory.events")
    state.counter.write_text("oom_kill 5\n")
    ray: Any = ModuleType("ray")
    ray.exceptions = SimpleNamespace(RayActorError=RayActorError)
    ray.get_runtime_context = lambda: SimpleNamespace(get_node_id=lambda: state.node)
    ray.nodes = lambda: [
        {"NodeID": name, "NodeManagerAddress": f"10.0.0.{name[1:]}", "Alive": name not in state.dead} for name in ("n1", "n2")
    ]
    ray.remote = lambda function: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda *given: function(*given)))
    ray.wait = lambda answers, num_returns, timeout: (answers, [])
    ray.get = lambda answer: answer
    kv: Any = ModuleType("ray.experimental.internal_kv")
    kv._internal_kv_put = lambda key, value, overwrite, namespace: state.kept.setdefault(key.encode(), value.encode())
    kv._internal_kv_list = lambda prefix, namespace: [key for key in state.kept if key.startswith(prefix.encode())]
    kv._internal_kv_get = lambda key, namespace: state.kept.get(key)
    kv._internal_kv_del = lambda key, namespace: state.kept.pop(key, None)
    scheduling: Any = ModuleType("ray.util.scheduling_strategies")
    scheduling.NodeAffinitySchedulingStrategy = lambda node, soft: node
    for module in (ray, ModuleType("ray.experimental"), kv, ModuleType("ray.util"), scheduling):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(memory, "oom_kills", lambda: OomKills(state.counter, 5))
    return state


def test_a_kill_by_the_kernel_since_the_workers_began_is_lack_of_memory_on_that_node(cluster: SimpleNamespace) -> None:
    for cluster.node in ("n1", "n2"):
        memory.note("run")
    cluster.counter.write_text("oom_kill 6\n")
    cluster.dead.add("n2")
    found = memory.named("run", FAILED, [RayActorError("the actor died")])
    assert isinstance(found, MemoryLimitError)
    assert "10.0.0.1" in found.what
    assert "10.0.0.2" not in found.what
    assert (found.safe, "memory_gb" in found.hint) == (FAILED.safe, True)
    assert cluster.kept == {}


def test_a_worker_that_somebody_else_killed_is_what_it_was(cluster: SimpleNamespace) -> None:
    memory.note("run")
    assert memory.named("run", FAILED, [RayActorError("the actor died")]) is FAILED


def test_the_first_worker_of_a_node_says_the_count_and_another_runs_are_not_looked_at(cluster: SimpleNamespace) -> None:
    memory.note("run")
    cluster.counter.write_text("oom_kill 6\n")
    memory.note("run")
    assert [json.loads(value)[1] for value in cluster.kept.values()] == [5]
    assert memory.named("another", FAILED, [RayActorError("the actor died")]) is FAILED


def test_without_a_dead_process_no_node_is_asked_and_a_cluster_in_trouble_says_nothing(
    cluster: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: str) -> list[str]:
        raise OSError("no such node")

    monkeypatch.setattr(memory, "_killed_on", broken)
    assert memory.named("run", FAILED, [ValueError("its code")]) is FAILED
    assert memory.named("run", FAILED, [RayActorError("the actor died")]) is FAILED
