"""When a process of a fit was where: lines in a file that all of them append to."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule

    from include.backends.lightning.plan import Plan
    from include.models.flight_delay.network import FlightDelay
    from include.training.job import Floats, TrainingJob

STEP = "first step"


def stamp(folder: Path, what: str) -> None:
    with (folder / "stamps").open("a") as file:
        file.write(json.dumps({"what": what, "at": time.time(), "pid": os.getpid()}) + "\n")


def stamps(folder: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, (folder / "stamps").read_text().splitlines())


def last(folder: Path, what: str) -> float:
    """When the last process was there first."""
    seen: dict[int, float] = {}
    for each in stamps(folder):
        if each["what"] == what:
            seen.setdefault(each["pid"], each["at"])
    return max(seen.values())


def stamped(module: LightningModule, folder: Path) -> Any:
    """The module, whose first step of training leaves a stamp."""
    step = module.training_step

    def first(*arguments: Any) -> Any:
        stamp(folder, STEP)
        module.training_step = step  # type: ignore[method-assign] # once
        return step(*arguments)

    module.training_step = first  # type: ignore[method-assign]
    return module


def fit(job: TrainingJob) -> None:
    """The flight-delay fit, stamped; runs in the job."""
    from include.backends.ray.train import fit_lightning

    stamp(Path(str(job.params["mark"])), "job")
    fit_lightning(job, build)


def build(plan: Plan, features: Floats) -> FlightDelay:
    """Runs in each worker, once it has imported what it needs."""
    from include.models.flight_delay import train

    folder = Path(str(plan.params["mark"]))
    stamp(folder, "worker")
    made: FlightDelay = stamped(train.build(plan, features), folder)
    return made
