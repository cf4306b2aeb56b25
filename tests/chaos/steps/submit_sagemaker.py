"""Row: submit training as a job on SageMaker. One job a name, ever: throttled, without capacity, killed, an answer lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.protocol import (
    Absent,
    Backends,
    Backfill,
    Cell,
    Clear,
    Cut,
    Down,
    Kill,
    Lose,
    Pause,
    Restart,
    State,
    Strike,
    Variant,
)
from tests.chaos.steps import submit
from tests.chaos.steps.common import Holdings, values
from tests.chaos.world import World
from tests.support.warm import THREADS

AWS = Backends(storage="s3", jobs="sagemaker")
MIDDLE = ("jobs.claimed",)
ANYWHERE = (*submit.BEFORE, *MIDDLE, *submit.UNRECORDED, *submit.REPORTED)


class SubmitSageMaker(submit.Submit):
    name = "submit_sagemaker"
    title = "submit training on SageMaker"
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(submit.BEFORE), AWS), Variant(Strike("no capacity"), AWS)),
        "F2": (Variant(Kill(submit.UNRECORDED), AWS),),
        "F3": (Variant(Kill(MIDDLE), AWS),),
        "F4": (Variant(Kill(submit.REPORTED), AWS),),
        "F5": (Variant(Cut("jobs"), AWS), Variant(Lose(submit.UNRECORDED), AWS), Variant(Cut("storage"), AWS)),
        "F6": Absent("the task writes no file: its records are objects of S3"),
        "F7": (Variant(Pause(ANYWHERE), AWS),),
        "F8": (Variant(Restart(), AWS),),
        "F9": (Variant(Clear(), AWS), Variant(Backfill(), AWS)),
        "F10": (Variant(Down("jobs"), AWS), Variant(Strike("throttled"), AWS), Variant(Down("storage"), AWS)),
    }

    def reset(self, world: World) -> None:
        """The slot's image: its jobs' home is in the world's, where a start leaves its mark."""
        world.sagemaker("stand_for", image=world.image, environ=instance(world))

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        jobs = world.sagemaker("shown", text=world.image)
        attempts = [path for path in holdings.paths if path.startswith("ledger/train/") and submit.is_attempt(path)]
        marks = world.home / "instance" / "starts"
        starts = marks.read_text().split() if marks.exists() else []
        return {
            **unwaited(holdings.state()),
            "returned": values(runs)[:1],
            "jobs": {"names": len(jobs), "starts": len(starts), "attempts": len(attempts)},
        }

    def strike(self, world: World, name: str, share: float) -> bool:
        """Before the first job: the account is throttled for so many calls, or there is no instance for the first one."""
        del share
        mark = world.scratch / "struck"
        if not mark.exists():
            mark.touch()
            if name == "throttled":
                for operation, times in (("DescribeTrainingJob", 9), ("CreateTrainingJob", 5)):
                    faults(world, "throttle", operation=operation, times=times)
            else:
                world.sagemaker("without_capacity", times=1)
        return True


def unwaited(state: State) -> State:
    """Without who waits for which job: a job that AWS had no instance for, or whose container died, is followed by another one,
    which is waited for as well."""
    documents = [row for row in state["control"]["documents"] if row[1] != "waiter"]
    return {**state, "control": {**state["control"], "documents": documents}}


def instance(world: World) -> dict[str, str]:
    """What the slot's image brings: a home of its own, in the world's."""
    return {**THREADS, "SLIPSTREAM_HOME": str(world.home / "instance"), "MLFLOW_DISABLE_TELEMETRY": "true"}


def faults(world: World, method: str, **arguments: Any) -> None:
    from tests.support.aws.server import Remote

    Remote(world.servers.aws).faults(method, **arguments)


STEP = SubmitSageMaker()
