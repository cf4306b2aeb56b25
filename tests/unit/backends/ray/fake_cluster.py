"""A Ray cluster in one process, whose clock is a number: nodes come and go, actors train in groups, a test says when.

Each node has room for one worker. A group does STRIDE steps in each tick of the clock, saves every `every` steps into a real
store of checkpoints, and breaks when one of its workers' nodes dies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from include.backends.lightning.plan import Place
from include.backends.ray.member import Progress, Report, Where
from include.core.errors import JobFailedError
from include.training.checkpoint import CheckpointStore

TICK, STRIDE = 0.25, 5
_WAITS = object()


class Died(Exception):
    """As Ray says of an actor that is gone."""


@dataclass(eq=False)
class Ref:
    answer: Callable[[], Any]  # _WAITS until there is one

    def ready(self) -> bool:
        try:
            return self.answer() is not _WAITS
        except Died:
            return True


class Call:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.remote = function


@dataclass(eq=False)
class Actor:
    cluster: Cluster
    node: str = ""
    dead: bool = False
    silent: bool = False
    group: Group | None = None

    def __getattr__(self, name: str) -> Call:
        return Call(lambda *args: Ref(self._answers(getattr(self, f"_{name}")(*args))))

    def _answers(self, answer: Callable[[], Any]) -> Callable[[], Any]:
        def now() -> Any:
            if self.dead:
                raise Died(self.node)
            return _WAITS if self.silent else answer()

        return now

    def _where(self) -> Callable[[], Any]:
        return lambda: Where(self.node, 1) if self.node else _WAITS

    def _open(self) -> Callable[[], Any]:
        return lambda: ("127.0.0.1", 1)

    def _leave(self, number: int) -> Callable[[], Any]:
        if self.group is not None and self.group.number == number:
            self.group.leaving = True
        return lambda: None

    def _progress(self) -> Callable[[], Any]:
        group = self.group
        return lambda: group.progress() if group else Progress()

    def _fit(self, number: int, place: Place, address: tuple[str, int]) -> Callable[[], Any]:
        assert address
        if place.rank == 0:
            self.cluster.group = Group(self.cluster, number, place.world)
        self.group = group = self.cluster.group
        assert group is not None
        group.members.append(self)
        return lambda: group.report(self)


@dataclass(eq=False)
class Group:
    cluster: Cluster
    number: int
    world: int
    members: list[Actor] = field(default_factory=list)
    batches: int = 0
    saved: tuple[int, float] | None = None
    leaving: bool = False
    over: Report | None = None

    def __post_init__(self) -> None:
        self.step = max(self.cluster.store.steps(), default=0)
        self.cluster.groups.append((self.step, self.world))

    def tick(self) -> None:
        if self.over is not None or len(self.members) < self.world:
            return
        if self.cluster.fails:
            self.over = Report("failed", error=self.cluster.fails.pop(0))
        elif any(each.dead for each in self.members):
            self.over = Report("failed", error=JobFailedError("Connection closed by peer."))
        elif self.leaving:
            self.save()
            self.over = Report("left", self.step)
        else:
            self.step, self.batches = self.step + STRIDE, self.batches + STRIDE
            if self.step % self.cluster.every == 0:
                self.save()
            if self.step >= self.cluster.steps:
                self.over = Report("done")

    def save(self) -> None:
        self.saved = self.step, self.cluster.now
        self.cluster.store.save_step(self.step, b"state %d" % self.step)

    def progress(self) -> Progress:
        if self.saved is None:
            return Progress(self.number, self.batches)
        return Progress(self.number, self.batches, self.saved[0], self.cluster.now - self.saved[1])

    def report(self, member: Actor) -> Any:
        del member
        return _WAITS if self.over is None else self.over


@dataclass
class Cluster:
    store: CheckpointStore
    steps: int = 1000
    every: int = 50
    now: float = 0.0
    alive: dict[str, str] = field(default_factory=dict)  # name by id
    draining: set[str] = field(default_factory=set)
    plans: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    groups: list[tuple[int, int]] = field(default_factory=list)  # each one's first step, and its workers
    group: Group | None = None
    fails: list[Any] = field(default_factory=list)  # errors that the next groups meet
    _ids: int = 0

    # -- what a test does ------------------------------------------------------------------------------

    def join(self, name: str) -> str:
        self._ids += 1
        node = f"{self._ids:04d}" * 14
        self.alive[node] = name
        return node

    def kill(self, name: str) -> None:
        for node in [node for node, known in self.alive.items() if known == name]:
            del self.alive[node]
            for each in self.actors:
                each.dead = each.dead or each.node == node

    def drain(self, name: str) -> None:
        self.draining |= {node for node, known in self.alive.items() if known == name}

    def at(self, seconds: float, what: Callable[[], object]) -> None:
        self.plans.append((seconds, what))

    # -- what is asked of Ray --------------------------------------------------------------------------

    def clock(self) -> float:
        return self.now

    def tick(self, seconds: float = TICK) -> None:
        del seconds
        self.now += TICK
        for plan in [plan for plan in self.plans if plan[0] <= self.now]:
            self.plans.remove(plan)
            plan[1]()
        taken = {each.node for each in self.actors if not each.dead}
        free = [node for node in self.alive if node not in taken and node not in self.draining]
        for each, node in zip([each for each in self.actors if not each.node and not each.dead], free, strict=False):
            each.node = node
        if self.group is not None:
            self.group.tick()

    def wait(self, refs: Sequence[Ref], num_returns: int = 1, timeout: float = 0) -> tuple[list[Ref], list[Ref]]:
        if timeout:
            self.tick()
        ready = [ref for ref in refs if ref.ready()][:num_returns]
        return ready, [ref for ref in refs if ref not in ready]

    def get(self, ref: Ref, timeout: float | None = None) -> Any:
        del timeout
        return ref.answer()

    def kill_actor(self, actor: Actor) -> None:
        actor.dead = True

    def hire(self, _: object) -> Actor:
        self.actors.append(Actor(self))
        return self.actors[-1]

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """As the module `ray`."""
        ray = ModuleType("ray")
        made = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self.hire))
        known = {
            "wait": self.wait, "get": self.get, "kill": self.kill_actor, "remote": lambda _: made,
            "nodes": lambda: [{"NodeID": node, "NodeName": name, "Alive": True} for node, name in self.alive.items()],
            "available_resources": lambda: {"CPU": 0.0}, "cluster_resources": lambda: {"CPU": float(len(self.alive))},
        }  # fmt: skip
        modules: dict[str, dict[str, Any]] = {
            "ray": known,
            "ray.util": {},
            "ray.util.placement_group": {"placement_group": lambda *_, **__: object(), "remove_placement_group": lambda _: None},
            "ray.util.scheduling_strategies": {"PlacementGroupSchedulingStrategy": lambda *_: None},
            "ray.exceptions": {"RayTaskError": type("RayTaskError", (Exception,), {}), "RayActorError": Died},
            "ray._private": {},
            "ray._private.state": {
                "state": SimpleNamespace(get_draining_nodes=lambda: {n: 0 for n in self.draining if n in self.alive})
            },
        }
        for name, members in modules.items():
            module = ray if name == "ray" else ModuleType(name)
            vars(module).update(members)
            patch.setitem(sys.modules, name, module)
        vars(ray)["exceptions"] = sys.modules["ray.exceptions"]
