"""Row: checkpoint and resume. At most one interval is redone; the final weights are the twin's, bit for bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.protocol import (
    Backends,
    Backfill,
    Cell,
    Clear,
    Cut,
    Down,
    Finding,
    Full,
    Kill,
    Lose,
    Overlap,
    Pause,
    State,
    Variant,
)
from tests.chaos.steps.common import PUBLISHED, Holdings, OperatorStep, compare, snapshot, values
from tests.chaos.world import World
from tests.support.operator_runs import MODEL
from tests.support.wired import TrainModelOperator

EVERY = 2  # steps between two checkpoints
BEFORE = ("ledger.attempt.opened", "task.begin")
MIDDLE = ("storage.write.temporary",)
UNRECORDED = ("train.step", "checkpoint.save")
RECORDED = ("storage.write.renamed", "checkpoint.saved", "task.computed", "ledger.commit.recorded", "compute.delivered")
ANYWHERE = (*BEFORE, *MIDDLE, *UNRECORDED, *RECORDED)
S3 = Backends(storage="s3")


class Checkpoint(OperatorStep):
    name = "checkpoint"
    title = "checkpoint and resume"
    promise = "at most one interval redone; only verified checkpoints loaded; the twin's weights, bit for bit"
    models = "tests.chaos.models.network"
    base = PUBLISHED
    tasks = ("train",)
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(BEFORE)),),
        "F2": (Variant(Kill(UNRECORDED)),),
        "F3": (Variant(Kill(MIDDLE)),),
        "F4": (Variant(Kill(RECORDED)),),
        "F5": (Variant(Lose(("checkpoint.saved", "ledger.commit.recorded"))), Variant(Cut("storage"), S3)),
        "F6": (Variant(Full()), Variant(Full("store")), Variant(Full("scratch"))),
        "F7": (Variant(Pause(ANYWHERE)),),
        "F8": (Variant(Overlap(ANYWHERE)),),
        "F9": (Variant(Clear()), Variant(Backfill())),
        "F10": (Variant(Down("storage"), S3),),
    }

    def operator(self, task: str) -> Any:
        return TrainModelOperator(task_id=task, model=MODEL, where="process")

    def prepare(self, world: World) -> dict[str, Any]:
        run = snapshot()
        return {"xcom": run.xcom}

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        """`steps`: how often a training step was done, by process, in the order they began."""
        holdings = Holdings()
        passed = [line.split() for line in (world.scratch / "passed").read_text().splitlines()]
        steps = Counter(process for point, process in passed if point == "train.step")
        models = [
            file.digest for result in holdings.results().values() for name, file in result.files.items() if name == "model.onnx"
        ]
        return {
            **holdings.state(),
            "returned": values(runs),
            "weights": sorted(models),
            "steps": list(steps.values()),
            "overlapped": (world.scratch / "overlapped").exists(),
        }

    def check(self, twin: State, seen: State) -> list[Finding]:
        aside = {"steps": [], "overlapped": False}
        findings = compare({**twin, **aside}, {**seen, **aside})
        redone, deaths = sum(seen["steps"]) - sum(twin["steps"]), max(len(seen["steps"]) - 1, 0)
        if not seen["overlapped"] and redone > EVERY * max(deaths, 1):  # the orphan of an overlap works for itself
            findings.append(Finding("doubled", f"{redone} steps redone by {deaths} resumes, {EVERY} are one interval"))
        return findings


STEP = Checkpoint()
