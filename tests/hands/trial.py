"""One cell: bring a task into a state, do what a person might, let everything end, and look at what is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from include.core.errors import SlipstreamError
from tests.hands.cells import Cell, before, dag_of_kind
from tests.hands.parts import FeaturesPart, Part, RolloutPart, Thing
from tests.hands.world import FINISHED, Hand, Stuck, wait

LONG_PAUSE = 3.0  # seconds between switching a DAG off and on
DECLARED = ("success", "run success")  # a person says that it is done: Airflow takes that at its word


@dataclass
class Verdict:
    """What became of a cell. `findings` are lost, doubled or silent; `declared`: green because a person said so."""

    cell: Cell
    findings: list[str] = field(default_factory=list)
    declared: bool = False
    idle: str = ""  # why the state did not come up
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def count(self, kind: str) -> int:
        return sum(finding.startswith(kind) for finding in self.findings)


def run_cell(hand: Hand, part: Part, cell: Cell) -> Verdict:
    verdict, began = Verdict(cell), time.monotonic()
    trial = Trial(hand, part, cell, verdict)
    try:
        hand.open()
        trial.events() if not cell.task else trial.tell()
    except Stuck as stuck:
        verdict.findings.append(f"silent: {stuck} {hand.told()}"[:1500])
    except SlipstreamError as error:
        verdict.findings.append(f"lost: {error}"[:1500])
    finally:
        trial.let_go()
    try:
        hand.settle()  # whatever happened: the next trial begins in peace
    except Stuck as stuck:
        verdict.findings.append(f"silent: {stuck}"[:1500])
        trial.sweep()
    verdict.seconds = round(time.monotonic() - began, 1)
    return verdict


@dataclass
class Trial:
    hand: Hand
    part: Part
    cell: Cell
    verdict: Verdict
    things: list[Thing] = field(default_factory=list)
    mine: list[str] = field(default_factory=list)  # the runs that were asked for

    def tell(self) -> None:
        self.things.append(self.part.new())
        known = set(self.hand.runs())
        if self.cell.action == "retry":
            self._retry()
        elif self.cell.action == "backfill":
            self._backfill(known)
        else:
            self._hold()
            self.mine.append(self.hand.trigger(**self._conf(self.things[0])))
            if not self._reach(self.mine[0]):
                return
            self._act(self.mine[0])
        self.let_go()
        self.hand.settle()
        self.judge(known)

    def _conf(self, thing: Thing) -> dict[str, Any]:
        return {**self.part.conf(thing), **({"tune": True} if self.cell.task == "tune" else {})}

    # -- reaching the state --------------------------------------------------------------------------------

    def _hold(self) -> None:
        if self.cell.state == "done":
            for task in dag_of_kind(self.cell.kind).get_task(self.cell.task).downstream_list:
                self.hand.hold(task.task_id, "before")
        elif self.cell.state == "ahead":
            self.hand.hold(before(self.cell.kind, self.cell.task), "before")
        elif self.cell.task == "wait_for_partition" and self.cell.state == "waiting" and isinstance(self.part, FeaturesPart):
            self.part.withhold(self.things[0])
        else:
            self.hand.hold(self.cell.task, self.cell.state)

    def let_go(self) -> None:
        self.hand.open()
        if isinstance(self.part, FeaturesPart):
            for thing in self.things:
                self.part.release(thing)

    def _reach(self, run_id: str) -> bool:
        """Whether the task came into its state; it may be over before, or skipped."""
        task, state = self.cell.task, self.cell.state
        waiting = ("deferred", "up_for_reschedule")
        above = before(self.cell.kind, task) if state == "ahead" else ""

        def look() -> str:
            now = self.hand.tasks(run_id).get(task, "waiting")
            if state == "waiting":
                return "there" if now in waiting and (self.hand.held(task, state) or task == "wait_for_partition") else over(now)
            if state == "done":
                return "there" if now in FINISHED else ""
            if state == "ahead":
                return "there" if self.hand.held(above, "before") else ""
            return "there" if self.hand.held(task, state) else over(now)

        def over(now: str) -> str:
            return now if now in FINISHED else ""

        if (found := wait(look, f"{task} is {state} in {run_id}")) != "there":
            self.verdict.idle = f"{task} was {found}"
        return not self.verdict.idle

    # -- what a person does --------------------------------------------------------------------------------

    def _act(self, run_id: str) -> None:
        hand, task = self.hand, self.cell.task
        doings: dict[str, Callable[[], Any]] = {
            "clear": lambda: hand.clear(run_id, task),
            "clear below": lambda: hand.clear(run_id, task, below=True),
            "success": lambda: hand.mark(run_id, task, "success"),
            "failed": lambda: hand.mark(run_id, task, "failed"),
            "run success": lambda: hand.mark_run(run_id, "success"),
            "run failed": lambda: hand.mark_run(run_id, "failed"),
            "delete": lambda: self._delete(run_id),
            "pause": self._pause,
            "twice": lambda: self.mine.append(hand.trigger(**self._conf(self.things[0]))),
            "conf": self._ask_for_another,
        }
        doings[self.cell.action]()

    def _delete(self, run_id: str) -> None:
        self.hand.mark_run(run_id, "failed")
        self.let_go()
        self.hand.settle()
        self.hand.delete(run_id)
        self.verdict.notes.append("deleted")

    def _pause(self) -> None:
        self.hand.pause(True)
        self.let_go()
        time.sleep(LONG_PAUSE)
        self.hand.pause(False)

    def _ask_for_another(self) -> None:
        self.things.append(self.part.new())
        self.mine.append(self.hand.trigger(**self._conf(self.things[1])))

    def _retry(self) -> None:
        self.hand.hold(self.cell.task, "break")
        self.mine.append(self.hand.trigger(**self._conf(self.things[0])))
        self.hand.settle()
        self.hand.open()
        self.hand.clear(self.mine[0], self.cell.task, below=True)

    def _backfill(self, known: set[str]) -> None:
        first, last = self.part.interval(self.things[0])
        self.things = [self._of_interval(first), self._of_interval(last)]
        self.hand.hold(self.cell.task, "before")
        number = self.hand.backfill(first.isoformat(), last.isoformat())
        wait(lambda: self.hand.held(self.cell.task, "before"), f"{self.cell.task} of the backfill runs")
        self.hand.cancel(number)
        self.mine += [run for run in self.hand.runs() if run not in known or run.startswith("backfill")]

    def _of_interval(self, start: date) -> Thing:
        from datetime import datetime, timedelta

        if self.part.asks == "day":
            return start.isoformat()
        return (datetime.combine(start, datetime.min.time()) + timedelta(days=1)).isoformat()

    # -- what came of it -----------------------------------------------------------------------------------

    def judge(self, known: set[str]) -> None:
        runs = {run: state for run, state in self.hand.runs().items() if run not in known or run in self.mine}
        for thing in self.things:
            if not self.part.done(thing):
                self._not_done(thing, runs)
        self._colours(runs)
        for thing in self.things:
            self.verdict.findings += [found for found in self.part.problems(thing) if found not in self.verdict.findings]

    def _not_done(self, thing: Thing, runs: dict[str, str]) -> None:
        """It must have been told: a red run, or a person's own word. Asked for once more it must be done."""
        if self.cell.action in DECLARED:
            self.verdict.declared = "failed" not in runs.values()
        elif "failed" not in runs.values() and self.cell.action != "delete":
            self.verdict.findings.append(f"silent: {thing} is not done, and the runs are {runs}")
        self.hand.trigger(**self.part.conf(thing))
        self.hand.settle()
        if not self.part.done(thing):
            self.verdict.findings.append(f"lost: {thing} is not done though it was asked for again: {self.hand.runs()}")

    def _colours(self, runs: dict[str, str]) -> None:
        """A rollout's run is green only where its version was promoted."""
        if not isinstance(self.part, RolloutPart) or self.cell.action in ("twice", "conf"):
            return
        promoted = all(self.part.promoted(thing) for thing in self.things)
        for run in self.mine:
            if runs.get(run) == "success" and not promoted and self.hand.tasks(run).get("conclude") != "skipped":
                self.verdict.findings.append(f"silent: {run} is green, and {self.things} were not promoted")

    # -- events --------------------------------------------------------------------------------------------

    def events(self) -> None:
        """What reaches a rollout as events: of those that wait the newest has its turn, and no candidate is forgotten."""
        part, hand = self.part, self.hand
        assert isinstance(part, RolloutPart)
        known, asset = set(hand.runs()), f"{part.model}_candidate"
        match self.cell.action:
            case "event twice":
                self.things = [part.new()]
                for _ in range(2):
                    hand.send(asset, version=int(self.things[0]))
                    time.sleep(1)
            case "events out of order":
                self.things = [part.new(), part.new()]
                for thing in reversed(self.things):
                    hand.send(asset, version=int(thing))
                    time.sleep(1)
            case "events at once":
                self.things = [part.new()]
                hand.hold("canary_50", "waiting")
                hand.send(asset, version=int(self.things[0]))
                wait(lambda: hand.held("canary_50", "waiting"), "the first rollout is in its canary")
                for _ in range(3):
                    self.things.append(part.new())
                    hand.send(asset, version=int(self.things[-1]))
                    time.sleep(1)
            case "event lost":
                hand.pause(True)
                self.things = [part.new()]
                hand.send(asset, version=int(self.things[0]))
                hand.pause(False)
                self.things.append(part.new())
                hand.send(asset, version=int(self.things[1]))
        hand.open()
        wait(lambda: set(hand.runs()) - known, "an event starts a run")
        hand.settle()
        if forgotten := [thing for thing in self.things if not part.done(thing)]:
            self.verdict.findings.append(f"lost: {forgotten} had no turn, and nothing says why: {hand.runs()}")
        if not part.promoted(self.things[-1]):
            self.verdict.findings.append(f"lost: the newest, {self.things[-1]}, is {part.states(self.things[-1])}")
        for thing in self.things:
            self.verdict.findings += [found for found in part.problems(thing) if found not in self.verdict.findings]

    def sweep(self) -> None:
        """What is stuck must not stop the trials after this one."""
        for run, state in self.hand.runs().items():
            if state not in ("success", "failed"):
                self.hand.mark_run(run, "failed")
