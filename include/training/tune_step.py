"""The step `tune`: the grid of `training.search`, each point fitted on the newest rows in one process."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.core.digest import digest_json
from include.core.json_types import Json
from include.core.reference import load
from include.core.request import Outcome
from include.core.task import Task
from include.step_values.training import Trial, TuneValue
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob
from include.training.train_step import read_rows, verify

TRIALS = 8  # a larger grid is sampled
ROWS = 20_000  # the newest training rows each trial sees


def run(task: Task) -> Outcome:
    """Params: `features`, `training`, `label`. Value: the best `params` and every trial's log loss."""
    training: Mapping[str, Any] = task.params["training"]
    train, validation, signature = read_rows(task, task.file("training_set", "train.parquet"))
    recent = train.last(ROWS)
    trials: list[Trial] = []
    for chosen in grid(training.get("search", {}), int(training.get("seed", 7))):
        params = {**training.get("params", {}), **chosen}
        job = _trial(task, Path(task.workdir), recent, validation, signature, params)
        load(training["fit"])(job)
        found = verify(job)["log_loss"]
        assert found is not None  # it is defined for any scores that `verify` lets through
        trials.append({"params": params, "log_loss": found})
    best = min(trials, key=lambda trial: trial["log_loss"])
    value: TuneValue = {"params": best["params"], "trials": trials}
    return Outcome(value)


def grid(search: Mapping[str, Any], seed: int) -> list[dict[str, Json]]:
    """Every point of the grid, or TRIALS of them drawn with the seed. One empty point if there is no grid."""
    names = sorted(search)
    points = [dict(zip(names, values, strict=True)) for values in itertools.product(*(search[name] for name in names))]
    return points if len(points) <= TRIALS else random.Random(seed).sample(points, TRIALS)


def _trial(
    task: Task, workdir: Path, train: Rows, validation: Rows, signature: Mapping[str, Json], params: Mapping[str, Json]
) -> TrainingJob:
    name = digest_json(dict(params))[:16]
    store = CheckpointStore(task.storage, f"{task.attempt.checkpoints}/trial-{name}")
    seed = int(task.params["training"].get("seed", 7))
    return TrainingJob(train, validation, signature, params, store, workdir / f"{name}.onnx", seed, workers=1)
