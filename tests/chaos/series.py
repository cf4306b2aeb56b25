"""Long series of one fault: kills between a job's submission and its record, and a disk that is full at every write."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from include.core.request import Request
from include.services.services import Services
from operators.base import ComputeOperator
from tests.chaos.bench import Bench
from tests.chaos.protocol import Absent, Cell, Full, Kill, Step, Variant
from tests.chaos.report import Report
from tests.chaos.slots import in_slots, tell
from tests.chaos.steps.submit import RAY, Submit
from tests.chaos.trial import Trial, run_trial
from tests.chaos.world import World

GAP = Kill(("compute.submitted",))
# All but the gateway, whose log grows while it runs.
WRITERS = (
    "validate",
    "materialize",
    "training_set",
    "submit",
    "checkpoint",
    "register",
    "drift",
)


class CheapOperator(ComputeOperator):
    """A job that only counts that it ran."""

    step = "train"
    function = "tests.chaos.models.cheap:run"

    def build(self, context: Any, services: Services) -> Request:
        return Request.of(self.step, self.function, self.model, params=dict(context["params"]), inputs={})


class Gap(Submit):
    """Row: killed after the submission, before anything says so."""

    name = "gap"
    title = "submit: kills between submit and record"
    base = None
    cells: ClassVar[Mapping[str, Cell]] = {"F2": (Variant(GAP), Variant(GAP, RAY))}  # type: ignore[misc]

    def operator(self, task: str) -> Any:
        return CheapOperator(task_id=task, model="shop", where="job", poll_seconds=0.1)

    def prepare(self, world: World) -> dict[str, Any]:
        return {"params": {"slot": world.number}}


def submit_gaps(kills: int, slots: int, *, ray: bool) -> dict[str, dict[str, Any]]:
    """That many kills on each backend; a row of the book for each."""
    step, found = Gap(), {}
    for backend in ("process", "ray") if ray else ("process",):
        seeds = range(0 if backend == "process" else 1, 2 * kills, 2)  # the cell's variants take turns

        def work(bench: Bench, number: int, seeds: range = seeds) -> Report:
            return run_trial(bench, step, "F2", seeds[number])

        reports = []
        for report in in_slots(work, kills, {"ray"} if backend == "ray" else set(), slots):
            reports.append(report)
            tell(report, len(reports), kills, verbose=False)
        if len(reports) != kills:
            raise RuntimeError(f"a slot broke: {len(reports)} reports of {kills} trials")
        found[f"gap {backend}"] = _row(f"kill -9 between submit and record, jobs on {backend}", reports)
    return found


def full_disks(steps: Mapping[str, Step], slots: int) -> dict[str, dict[str, Any]]:
    """Each step with no block free, with one, with two ... until it needs no more: each of its writes meets a full disk."""
    names = [name for name in WRITERS if name in steps]

    def work(bench: Bench, number: int) -> Report:
        return _every_block(bench, steps[names[number]])

    found = {}
    for report in in_slots(work, len(names), set(), slots):
        tell(report, report.seed, report.seed, verbose=True)
        found[f"full {report.step}"] = _row(f"disk full at every write, {steps[report.step].title}", [report], report.seed)
    if len(found) != len(names):
        raise RuntimeError(f"a slot broke: there are reports of {sorted(found)} only")
    return found


def _every_block(bench: Bench, step: Step) -> Report:
    """One report; its `seed` is the number of trials."""
    whole = Report(step.name, "F6", 0, "every number of free blocks", fired=True)
    cell = step.cells["F6"]
    assert not isinstance(cell, Absent)
    tasks = cell[0].tasks or step.tasks
    for blocks in itertools.count():
        how = Full(blocks=blocks)
        report = Report(step.name, "F6", blocks)
        trial = Trial(bench, step, cell[0].on, tasks, random.Random(blocks), blocks, report)
        twin = bench.twin(step, replace(how, blocks=None), cell[0].on, tasks)
        trial.begin(how)
        trial.inject(how, twin)
        trial.compare(twin)
        whole.findings += report.findings
        whole.seconds += report.seconds
        whole.seed += 1
        if not report.fired:
            return whole
    raise AssertionError("endless")


def _row(what: str, reports: list[Report], trials: int = 0) -> dict[str, Any]:
    counts = {kind: sum(report.count(kind) > 0 for report in reports) for kind in ("lost", "doubled")}
    bad = sum(not report.good for report in reports)
    return {"what": what, "trials": trials or len(reports), **counts, "bad": bad}
