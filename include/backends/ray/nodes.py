"""The nodes of a Ray cluster: their names, which of them are to go, and which keep going."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

log = logging.getLogger(__name__)

FLAPS, WITHIN = 3, 3600.0  # losses of a node in so many seconds, with which it is left out


@dataclass(frozen=True)
class Node:
    id: str  # of this start of it: one that comes back has another
    name: str  # the same whenever it comes back, where no two nodes share it


def nodes() -> list[Node]:
    """Those that are alive."""
    import ray

    return named({node["NodeID"]: node["NodeName"] for node in ray.nodes() if node["Alive"]})


def named(names: Mapping[str, str]) -> list[Node]:
    """Nodes by id. A name that two of them have at once, as several on one machine may, tells of none of them."""
    counted = Counter(names.values())
    return [Node(each, name if name and counted[name] == 1 else each[:12]) for each, name in names.items()]


def draining() -> set[str]:
    """Ids of the nodes that are to go: a notice of preemption, an autoscaler that wants them back, `ray drain-node`.

    Ray has no public call for it; its own Train asks in the same way.
    """
    from ray._private.state import state

    try:
        return set(state.get_draining_nodes())
    except Exception as error:  # noqa: BLE001 - of whatever class: without an answer nothing is known to go
        log.debug("which nodes are draining is not known: %s", error)
        return set()


class Losses:
    """Which nodes of a fit were lost, how often, and how often since there was last a new checkpoint."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.without_progress = 0
        self._clock, self._step = clock, -1
        self._seen: list[tuple[float, str]] = []

    def add(self, names: Iterable[str], step: int) -> None:
        """Nodes were lost, or the workers failed without (no names), while the newest checkpoint was that of `step`."""
        self._seen += [(self._clock(), name) for name in names]
        self.without_progress = 1 if step > self._step else self.without_progress + 1
        self._step = max(self._step, step)

    def flapping(self) -> set[str]:
        since = self._clock() - WITHIN
        counted = Counter(name for at, name in self._seen if at >= since)
        return {name for name, count in counted.items() if count >= FLAPS}

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}x" for name, count in Counter(name for _, name in self._seen).most_common()) or "none"
