"""The step `tune`: the grid of `training.search`, each point fitted on the newest rows in one process."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.core.digest import digest_json
from include.core.errors import DataError
from include.core.json_types import Json
from include.core.needs import Needs
from include.core.reference import load
from include.core.request import Outcome
from include.core.task import Task
from include.problems.of import of_params
from include.problems.problem import Problem
from include.step_values.training import Trial, TuneValue
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob
from include.training.train_step import read_rows, verify

TRIALS = 8  # a larger grid is sampled
ROWS = 20_000  # the newest training rows each trial sees


def run(task: Task) -> Outcome:
    """Params: `features`, `training`, `label`, `problem`. Value: the best `params` and what every trial came to: the log loss
    where the problem has one, else its default metric."""
    training: Mapping[str, Any] = task.params["training"]
    train, validation, signature = read_rows(task, task.file("training_set", "train.parquet"))
    recent, name = train.last(ROWS), tuned_by(of_params(task.params))
    metric = of_params(task.params).metric(name)
    trials: list[Trial] = []
    for chosen in grid(training.get("search", {}), int(training.get("seed", 7))):
        params = {**training.get("params", {}), **chosen}
        job = _trial(task, Path(task.workdir), recent, validation, signature, params)
        load(training["fit"])(job)
        job.require_taken()
        found = verify(job)[name]
        if found is None:
            raise DataError(
                f"The {metric.title} is not defined on the validation rows, so no parameters are the best.",
                seen=f"{len(validation)} rows",
                safe="the spec's own parameters stand.",
                hint="train without tuning, or widen training.window_days.",
            )
        trials.append({"params": params, name: found})
    losses = [float(trial[name]) * (-1 if metric.higher_is_better else 1) for trial in trials]
    best = trials[losses.index(min(losses))]
    value: TuneValue = {"params": best["params"], "trials": trials}
    return Outcome(value)


def tuned_by(problem: Problem) -> str:
    """The metric that chooses: the log loss, which feels every row, where there is one."""
    return "log_loss" if "log_loss" in problem.metrics else problem.value.DEFAULT_METRIC


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
    precision = str(task.params["training"].get("precision", "32"))
    given = (train, validation, signature, params, store, workdir / f"{name}.onnx", seed)
    return TrainingJob(*given, workers=1, needs=Needs.received(task.settings.environ), wanted_precision=precision)
