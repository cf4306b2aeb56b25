"""Row: checkpoint and resume, as a job on SageMaker: its instance is taken away, its container dies, its task is killed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from include.core.fault import Fault
from tests.chaos.protocol import Absent, Backends, Cell, Clear, Cut, Down, Finding, Kill, Pause, Restart, State, Strike, Variant
from tests.chaos.steps import submit
from tests.chaos.steps.checkpoint import Checkpoint
from tests.chaos.steps.common import Holdings
from tests.chaos.steps.submit_sagemaker import instance, unwaited
from tests.chaos.world import World
from tests.support.operator_runs import MODEL
from tests.support.wired import TrainModelOperator

AWS = Backends(storage="s3", jobs="sagemaker")
STEPS = 8  # of the course, about: a strike comes after a share of them
ANYWHERE = (*submit.BEFORE, "jobs.claimed", *submit.UNRECORDED, *submit.REPORTED)
LOOK = 0.05  # seconds between two looks at how far the training is


class CheckpointSageMaker(Checkpoint):
    name = "checkpoint_sagemaker"
    title = "checkpoint and resume on SageMaker"
    environ: ClassVar[Mapping[str, str]] = {"SLIPSTREAM_SAGEMAKER_SPOT": "true"}
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(submit.BEFORE), AWS),),
        "F2": (Variant(Strike("interrupted"), AWS),),
        "F3": (Variant(Strike("killed"), AWS),),
        "F4": (Variant(Kill(submit.REPORTED), AWS),),
        "F5": (Variant(Cut("storage"), AWS), Variant(Cut("jobs"), AWS)),
        "F6": Absent("the job's disk is SageMaker's; its checkpoints are objects of S3"),
        "F7": (Variant(Pause(ANYWHERE), AWS),),
        "F8": (Variant(Restart(), AWS),),
        "F9": (Variant(Clear(), AWS),),
        "F10": (Variant(Strike("away for long"), AWS), Variant(Down("jobs"), AWS)),
    }

    def operator(self, task: str) -> Any:
        return TrainModelOperator(task_id=task, model=MODEL, where="job", poll_seconds=0.1)

    def reset(self, world: World) -> None:
        trace = Fault(trace=str(world.scratch / "passed")).to_json()
        world.sagemaker("stand_for", image=world.image, environ={**instance(world), "SLIPSTREAM_FAULT": trace})

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        jobs = world.sagemaker("shown", text=world.image)
        attempts = [path for path in Holdings().paths if path.startswith("ledger/train/") and submit.is_attempt(path)]
        return {**unwaited(super().state(world, runs)), "jobs": {"names": len(jobs), "attempts": len(attempts)}}

    def check(self, twin: State, seen: State) -> list[Finding]:
        findings = super().check({**twin, "jobs": {}}, {**seen, "jobs": {}})
        if seen["jobs"]["names"] > seen["jobs"]["attempts"]:
            findings.append(Finding("doubled", f"jobs: {seen['jobs']}"))
        return findings

    def strike(self, world: World, name: str, share: float) -> bool:
        """At a drawn step the instance is taken away (and comes back, at once or late), or the container dies."""
        time.sleep(LOOK)
        marks = world.scratch / "struck"
        if marks.exists():
            return True
        if _steps(world.scratch / "passed") < 1 + int(share * (STEPS - 2)):
            return False
        (job,) = world.sagemaker("shown", text=world.image)
        if job["status"] != "InProgress":
            return True
        if name == "killed":
            world.sagemaker("kill", name=job["name"])
        else:
            world.sagemaker("interrupt", name=job["name"], capacity=name == "interrupted")
            if name == "away for long":
                world.sagemaker("without_capacity", times=3)
        marks.touch()
        return True


def _steps(passed: Path) -> int:
    return passed.read_text().count("train.step") if passed.exists() else 0


STEP = CheckpointSageMaker()
