"""One trial: a fresh world, one fault, the recovery, and the comparison with the twin."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

from include.core.fault import Action, Fault
from tests.chaos import points
from tests.chaos.bench import Bench, Twin
from tests.chaos.child import Ended, fork
from tests.chaos.full import fill, readable, shrinking
from tests.chaos.protocol import (
    Absent,
    Backends,
    Backfill,
    Clear,
    Cut,
    Down,
    Finding,
    Full,
    How,
    Kill,
    Locked,
    Lose,
    Overlap,
    Pause,
    Restart,
    Step,
    Strike,
)
from tests.chaos.proxy import Plan
from tests.chaos.report import Report
from tests.chaos.servers import hold_lock, until
from tests.chaos.walk import Walk, drive
from tests.chaos.world import World  # fmt: skip

HOLD = (2.0, 7.5)  # seconds that a second attempt gets before a paused first one wakes, should it wait for a lock
LATE = ("FencedError", "SupersededError", "ConflictError", "GateClosed")  # how an attempt that woke up late is refused


def run_trial(bench: Bench, step: Step, fault: str, seed: int) -> Report:
    """The trial that (step, fault, seed) names, always the same.

    A task that waits may pass a point less often than its twin did: then again, at the first time it comes up.
    """
    report = _try(bench, step, fault, seed, first=False)
    return report if report.fired or report.findings else _try(bench, step, fault, seed, first=True)


def _try(bench: Bench, step: Step, fault: str, seed: int, *, first: bool) -> Report:
    report, began = Report(step.name, fault, seed), time.monotonic()
    cell = step.cells[fault]
    assert not isinstance(cell, Absent)
    variant = cell[seed % len(cell)]
    tasks = variant.tasks or step.tasks
    trial = Trial(bench, step, variant.on, tasks, random.Random(f"{step.name}/{fault}/{seed}"), seed, report, first)
    report.how = f"{variant.how} on {_short(variant.on)}"
    try:
        twin = bench.twin(step, variant.how, variant.on, tasks)
        trial.begin(variant.how)
        trial.inject(variant.how, twin)
        trial.compare(twin)
    except Idle:
        report.notes.append("the fault did not come up")
    except RuntimeError as error:  # a state that cannot even be read
        report.findings.append(Finding("lost", f"{error}"[:3000]))
    report.passed = sorted(points.read(bench.folder / "trial" / "passed"))
    report.seconds = round(time.monotonic() - began, 2)
    return report


def _short(on: Backends) -> str:
    return "/".join(asdict(on).values())


class Idle(Exception):
    """The point at which something was to happen did not come up."""


@dataclass
class Trial:
    bench: Bench
    step: Step
    on: Backends
    tasks: Sequence[str]
    chance: random.Random
    seed: int
    report: Report
    first: bool = False  # the drawn point when it comes up for the first time, however often the twin passed it before
    world: World = field(init=False)
    run: dict[str, Any] = field(init=False)
    finished: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, how: How) -> None:
        self.world, self.run = self.bench.fresh(self.step, self.on, how.folder if isinstance(how, Full) else None)

    def compare(self, twin: Twin) -> None:
        seen = self.bench.state(self.step, self.world, self.finished)
        self.report.findings += self.step.check(twin.state, seen)
        if not self.report.fired:
            self.report.notes.append("the fault did not happen")

    # -- what the faults share -------------------------------------------------------------------------------

    def walk(self, world: World, run: Mapping[str, Any] | None = None, arm: Any = None, **more: Any) -> Walk:
        arm = arm or (lambda label: Fault(trace=self._trace))
        return Walk(self.step, world, dict(run or self.run), more.pop("tasks", self.tasks), arm, **more)

    def keep(self, *walks: Walk) -> None:
        """Their runs count; a walk that could not finish has lost its work."""
        for walk in walks:
            self.finished.append(walk.run | {"sent": walk.sent})
            if walk.failed is not None:
                self.lose(f"{walk.label} gave up: {walk.failed.error or 'killed'} {walk.failed.text}")
            self.judge_errors(walk)

    def judge_errors(self, walk: Walk) -> None:
        for label, ended in walk.ends:
            if ended.error and "SlipstreamError" not in ended.kinds and not ended.skipped:
                self.report.findings.append(Finding("unclear", f"{label}: {ended.error}: {ended.text}"[:1000]))
            if ended.error:
                self.report.notes.append(f"{label}: {ended.error}: {ended.text}"[:300])

    def lose(self, what: str) -> None:
        self.report.findings.append(Finding("lost", what[:2000]))

    def happened(self, mark: str = "mark") -> bool:
        return (self.world.scratch / mark).exists()

    def armed(self, action: Action, points: Sequence[str], twin: Twin, seconds: float = 0.0) -> tuple[str, Any]:
        """The label at which a drawn point comes up, and the arming for it: once in all processes of the trial."""
        places = [
            (label, point, passed[:place].count(point))
            for label, passed in sorted(twin.passed.items())
            for place, point in enumerate(passed)
            if point in points
        ]
        if not places:
            raise RuntimeError(f"{self.step.name} passes none of {points}")
        label, point, before = self.chance.choice(places)
        skip = 0 if self.first else before
        mark = str(self.world.scratch / "mark")
        self.report.how = f"{action} {point} #{skip + 1} in {label} on {_short(self.on)}"
        made, idle = Fault(point, action, skip, mark, seconds, self._trace), Fault(trace=self._trace)

        def here(now: str) -> bool:  # for the first time: in whatever part of the task that is
            return now == label or (self.first and now.partition("/")[0] == label.partition("/")[0])

        return label, lambda now: made if here(now) else idle

    @property
    def _trace(self) -> str:
        return str(self.world.scratch / "passed")

    def around(self, service: str = "", plan: Plan | None = None) -> Any:
        return self.bench.around(self.step, self.world, service, plan or Plan())

    # -- the faults ------------------------------------------------------------------------------------------

    @singledispatchmethod
    def inject(self, how: How, twin: Twin) -> None:
        raise TypeError(f"no way to do {how}")

    @inject.register
    def _(self, how: Kill, twin: Twin) -> None:
        _, arm = self.armed("kill", how.points, twin)
        self._one_walk(arm)

    @inject.register
    def _(self, how: Lose, twin: Twin) -> None:
        _, arm = self.armed("lose", how.points, twin)
        with self.around() as (world, _):
            walk = self.walk(world, arm=arm)
            drive(walk)
        self.report.fired = self.happened()
        walk.ends = [(label, ended) for label, ended in walk.ends if ended.error != "ResponseLost"]  # that error is ours
        self.keep(walk)

    def _one_walk(self, arm: Any) -> None:
        with self.around() as (world, _):
            walk = self.walk(world, arm=arm)
            drive(walk)
        self.report.fired = self.happened()
        self.keep(walk)

    @inject.register
    def _(self, how: Cut, twin: Twin) -> None:
        plan = Plan(cut=self._exchange(how.service, twin))
        self.report.how = f"response {plan.cut} of {twin.exchanges} from {how.service} cut on {_short(self.on)}"
        with self.around(how.service, plan) as (world, relay):
            walk = self.walk(world)
            drive(walk)
            self.report.fired = relay.happened.exists()
        self.keep(walk)

    @inject.register
    def _(self, how: Down, twin: Twin) -> None:
        plan = Plan(down=self._exchange(how.service, twin), seconds=self.chance.uniform(0.5, 2.0))
        self.report.how = f"{how.service} down from request {plan.down} of {twin.exchanges} on {_short(self.on)}"
        with self.around(how.service, plan) as (world, relay):
            walk = self.walk(world)
            drive(walk)
            self.report.fired = relay.happened.exists()
        self.keep(walk)

    def _exchange(self, service: str, twin: Twin) -> int:
        if not twin.exchanges:
            raise RuntimeError(f"{self.step.name} asks nothing of {service}")
        return 1 if self.first else self.chance.randint(1, twin.exchanges)

    @inject.register
    def _(self, how: Pause, twin: Twin) -> None:
        label, arm = self.armed("pause", how.points, twin)
        with self.around() as (world, _):
            late = self.walk(world, arm=arm, tasks=self._until(label), retry=False)
            drive(late, until=self.happened)
            if not self.happened() and not self.first:
                raise Idle
            if late.child is None or not until(late.child.stopped, 10):
                self.lose(f"{label} was not paused: {[(name, ended.error, ended.text) for name, ended in late.ends]}")
                return
            self.report.fired, label = True, late.label
            (self.world.scratch / "overlapped").touch()
            second = self.walk(world, late.run, tasks=self._from(label), number=2)
            wakes = time.monotonic() + HOLD[self.seed % len(HOLD)]
            drive(second, until=lambda: time.monotonic() > wakes)
            self.report.notes.append("the second finished first" if second.over else "the second waited for the first")
            late.child.wake()
            drive(late, second, until=lambda: second.over and late.returned(label))
            late.end()
        self.keep(second)
        self._late(late)

    def _late(self, late: Walk) -> None:
        """What the woken attempt said: that it is done, that it is refused, or to try again; never something unclear."""
        for label, ended in late.ends:
            if ended.error and not (ended.error in LATE or "TransientError" in ended.kinds):
                self.report.findings.append(Finding("unclear", f"woken {label}: {ended.error}: {ended.text}"[:1000]))
            self.report.notes.append(f"woken {label}: {ended.error or 'done'}")

    def _until(self, label: str) -> Sequence[str]:
        return self.tasks[: self.tasks.index(label.partition("/")[0]) + 1]

    def _from(self, label: str) -> Sequence[str]:
        return self.tasks[self.tasks.index(label.partition("/")[0]) :]

    @inject.register
    def _(self, how: Overlap, twin: Twin) -> None:
        label, arm = self.armed("delay", how.points, twin, seconds=self.chance.uniform(0.0, 0.3))
        with self.around() as (world, _):
            orphan = self.walk(world, arm=arm, tasks=self._until(label), retry=False)
            drive(orphan, until=self.happened)
            self.report.fired = self.happened()
            (self.world.scratch / "overlapped").touch()
            second = self.walk(world, orphan.run, tasks=self._from(orphan.label or label), number=2)
            drive(orphan, second, until=lambda: second.over and orphan.returned(label))
            orphan.end()
        self.keep(second)
        self._late(orphan)

    @inject.register
    def _(self, how: Restart, twin: Twin) -> None:
        quiet = self.world.scratch / "quiet"  # whoever would end the waiting keeps still until the triggerer is dead
        with self.around() as (world, _):
            quiet.touch()
            walk = self.walk(world)
            drive(walk, until=lambda: walk.label.endswith("/trigger"))
            wait = time.monotonic() + self.chance.uniform(0.0, 0.4)
            drive(walk, until=lambda: time.monotonic() > wait or not walk.label.endswith("/trigger"))
            if walk.child is not None and walk.label.endswith("/trigger"):
                walk.child.kill()
                self.report.fired = True
            quiet.unlink()
            drive(walk, until=lambda: walk.label.endswith("/resume"))
            again = self._resumed_again(walk)
            drive(walk, again)
            walk = self._whoever_went_on(walk, again)
        self.report.how = f"triggerer killed, two resumes on {_short(self.on)}"
        self.keep(walk)

    def _resumed_again(self, walk: Walk) -> Walk:
        """The same deferral resumed a second time, at the same moment."""
        again = self.walk(walk.world, walk.run, tasks=[walk.label.partition("/")[0]], retry=False)
        again.resume_from(walk)
        return again

    def _whoever_went_on(self, walk: Walk, again: Walk) -> Walk:
        """Of two resumes of one try Airflow runs one; here both run, and it counts as done if either has done it."""
        task = again.tasks[0]
        if again.failed is not None and again.failed.error not in LATE:
            self.lose(f"the second resume failed: {again.failed.error}: {again.failed.text}")
        if walk.failed is None or walk.failed.error not in LATE or again.failed is not None:
            return walk
        rest = self.walk(walk.world, again.run, tasks=self._from(task)[1:])
        drive(rest)
        rest.sent = [*again.sent, *rest.sent]
        return rest

    @inject.register
    def _(self, how: Clear, twin: Twin) -> None:
        """Cleared when it was done, or (every other seed) while it worked: killed, and all of it again."""
        points = sorted({point for passed in twin.passed.values() for point in passed})
        label, arm = self.armed("kill", points, twin) if self.seed % 2 and points else ("", None)
        with self.around() as (world, _):
            first = self.walk(world, arm=arm, retry=False)
            drive(first)
            again = self.walk(world, number=2)
            drive(again)
        self.report.how = f"cleared {'after a kill in ' + label if label else 'when done'} on {_short(self.on)}"
        self.report.fired = True
        if first.failed is None:
            self.keep(first)
            if first.run["xcom"] != again.run["xcom"]:
                self.report.notes.append(f"other XComs after the clear: {first.run['xcom']} {again.run['xcom']}")
        self.keep(again)

    @inject.register
    def _(self, how: Backfill, twin: Twin) -> None:
        with self.around() as (world, _):
            others = self.bench.ask(world, "backfill", lambda: self.step.backfill(world, self.run))
            (self.world.scratch / "overlapped").touch()
            walks = [self.walk(world), *(self.walk(world, run) for run in others)]
            if self.seed % 2:
                walks.reverse()
            drive(*walks)
        self.report.fired = True
        self.keep(*(reversed(walks) if self.seed % 2 else walks))

    @inject.register
    def _(self, how: Locked, twin: Twin) -> None:
        seconds = self.chance.uniform(0.5, 2.0)
        self.report.how = f"control store locked for {seconds:.1f} s on {_short(self.on)}"
        with self.around() as (world, _):
            holder = fork(lambda: hold_lock(world.home / "control.db", seconds), world.environ(), world.scratch / "holder.json")
            until(lambda: (world.home / "held").exists(), 10)
            walk = self.walk(world)
            drive(walk)
            holder.wait()
        (self.world.home / "held").unlink()
        self.report.fired = True
        self.keep(walk)

    @inject.register
    def _(self, how: Strike, twin: Twin) -> None:
        strike, share = self.step.strike, self.chance.random()  # type: ignore[attr-defined]
        self.report.how = f"{how.name} at {share:.2f} on {_short(self.on)}"
        with self.around() as (world, _):
            walk = self.walk(world)
            drive(walk, until=lambda: strike(world, how.name, share))
            self.report.fired = (world.scratch / "struck").exists()
            drive(walk)
        self.keep(walk)

    @inject.register
    def _(self, how: Full, twin: Twin) -> None:
        share = (self.seed % 10 + self.chance.random()) / 10
        for blocks in shrinking(int(share * max(twin.blocks, 1))) if how.blocks is None else [how.blocks]:
            failures: list[Ended] = []
            ballast = fill(self.world.home / how.folder, blocks * 4096)
            with self.around() as (world, _):
                walk = self.walk(world, on_failure=lambda ended, b=ballast, f=failures: self._freed(ended, b, f))  # type: ignore[misc]
                drive(walk)
            ballast.unlink(missing_ok=True)
            self.report.how = f"{how.folder or 'home'} full but for {blocks} of {twin.blocks} blocks on {_short(self.on)}"
            if failures or not blocks or how.blocks is not None:
                break
            self.begin(how)
        self.report.fired = bool(failures)
        self.keep(walk)

    def _freed(self, ended: Ended, ballast: Path, failures: list[Ended]) -> None:
        """After the first failure: the error tells what is needed, what was there is readable; then space is freed."""
        if not failures:
            failures.append(ended)
            if ended.error != "StorageFullError" or "bytes needed" not in ended.text or str(self.world.home) not in ended.text:
                self.report.findings.append(Finding("unclear", f"full disk: {ended.error or 'killed'}: {ended.text}"[:1000]))
            self.bench.ask(self.world, "readable", lambda: readable())
        ballast.unlink(missing_ok=True)
