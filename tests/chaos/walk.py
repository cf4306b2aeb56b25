"""A run walking through a step's tasks as Airflow drives it: tries, retries, triggers, resumes. Polled, so several
walks go on at once."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from include.core.fault import Fault
from include.core.reference import load
from tests.chaos.child import Child, Ended, fork
from tests.chaos.protocol import Call, Deferred, Done, Step
from tests.chaos.world import World

TRIES = 40
PAUSE = 0.15  # seconds before a retry; Airflow waits 20 s or more
HANG = 200.0  # seconds for a whole walk

Arm = Callable[[str], Fault | None]  # by label: "publish", "publish/trigger", "publish/resume"
_numbers = itertools.count(1)


def unarmed(label: str) -> Fault | None:
    del label
    return None


@dataclass
class Walk:
    """`retry`: whether a try that was killed or failed is followed by another, as for every attempt but a zombie."""

    step: Step
    world: World
    run: dict[str, Any]
    tasks: Sequence[str]
    arm: Arm = unarmed
    number: int = 1
    retry: bool = True
    on_failure: Callable[[Ended], None] = lambda ended: None
    sent: list[Any] = field(default_factory=list)
    ends: list[tuple[str, Ended]] = field(default_factory=list)
    failed: Ended | None = None
    child: Child | None = None
    label: str = ""
    _left: list[str] = field(default_factory=list)
    _call: Call | None = None
    _stage: str = "run"  # run, trigger, resume
    _not_before: float = 0.0
    _tries: int = 0
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._left = list(self.tasks)
        self.run = {**self.run, "xcom": dict(self.run.get("xcom", {}))}

    @property
    def over(self) -> bool:
        return self.failed is not None or (not self._left and self.child is None)

    def poll(self) -> bool:
        """Go on as far as possible without waiting; whether it is over."""
        if self.over:
            return True
        if time.monotonic() - self._began > HANG:
            if self.child:
                self.child.kill()
            self.failed = Ended(hung=True, text=f"{self.label} went on for {HANG:.0f} s")
        elif self.child is None:
            if time.monotonic() >= self._not_before:
                self._start()
        elif (ended := self.child.poll()) is not None:
            self.ends.append((self.label, ended))
            self.child = None
            self._after(ended)
        return self.over

    def resume_from(self, other: Walk) -> None:
        """Begin where the other one resumes its task."""
        self._call, self._stage = other._call, "resume"

    # -- one process after the other ----------------------------------------------------------------------

    def _start(self) -> None:
        call = self._call or Call(self._left[0], self.run, self.number)
        self._call = call
        self.label = call.task if self._stage == "run" else f"{call.task}/{self._stage}"
        step, world = self.step, self.world
        body = {
            "run": lambda: _encoded(step.run(world, call)),
            "resume": lambda: _encoded(step.resume(world, call)),
            "trigger": lambda: fire(call.deferred),
        }[self._stage]
        out = world.scratch / f"{next(_numbers):05d}-{self.label.replace('/', '-')}-{self.number}.json"
        self.child = fork(body, world.environ(), out, self.arm(self.label))

    def _after(self, ended: Ended) -> None:
        if ended.ok and self._stage == "trigger":
            assert self._call is not None
            self._call, self._stage = replace(self._call, event=ended.value), "resume"
        elif ended.ok and "deferred" in (ended.value or {}):
            assert self._call is not None
            self._call, self._stage = replace(self._call, deferred=Deferred(**ended.value["deferred"])), "trigger"
        elif ended.ok or ended.skipped:
            self._returned(ended)
        elif self._stage == "trigger" and ended.killed:
            pass  # the triggerer starts again, with the same serialised trigger
        else:
            self._failed(ended)

    def _returned(self, ended: Ended) -> None:
        if ended.ok:
            self.run["xcom"][self._left[0]] = ended.value["done"]["value"]
            self.sent += ended.value["done"]["sent"]
        self._left.pop(0)
        self._call, self._stage = None, "run"

    def _failed(self, ended: Ended) -> None:
        """A retry runs the whole task again, from `execute`."""
        self.on_failure(ended)
        self._tries += 1
        if not self.retry or ended.permanent or ended.hung or self._tries >= TRIES:
            self.failed = ended
            return
        self.number += 1
        self._call, self._stage = None, "run"
        self._not_before = time.monotonic() + (0.0 if ended.killed else PAUSE)

    def returned(self, label: str) -> bool:
        """Whether the task that was paused or delayed has come back; what that attempt did next is nobody's wish."""
        return any(name == label for name, _ in self.ends)

    def end(self) -> None:
        if self.child is not None and self.child.ended is None:
            self.child.kill()


def drive(*walks: Walk, until: Callable[[], bool] = lambda: False) -> None:
    """Let the walks go on together, until all are over or `until` says so."""
    while [walk for walk in walks if not walk.poll()] and not until():  # each is polled, whatever the others say
        time.sleep(0.004)


def fire(deferred: Deferred | None) -> Any:
    """What a triggerer does: make the trigger from its serialised form, wait for its first event."""
    assert deferred is not None
    trigger = load(":".join(deferred.trigger.rsplit(".", 1)))(**deferred.kwargs)

    async def first() -> Any:
        async for event in trigger.run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(first())


def _encoded(outcome: Done | Deferred) -> Mapping[str, Any]:
    return {"deferred" if isinstance(outcome, Deferred) else "done": asdict(outcome)}
