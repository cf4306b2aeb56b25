"""The step `tune`: the search that `training.search` asks for, on the newest training rows; or its grid of a few values."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

from include.core.errors import SpecError
from include.core.json_types import Json
from include.core.needs import Needs
from include.core.request import Outcome
from include.core.spec.search import Search
from include.core.task import Task
from include.problems.metric import Metric
from include.problems.of import of_params
from include.problems.problem import Problem
from include.step_values.training import TuneValue
from include.training.reading import forget_rows, read_rows
from include.training.rows.streamed import StreamedRows
from include.training.search.engine import Engine, Executor, Recorded
from include.training.search.executor import opened
from include.training.search.followed import followed
from include.training.search.leg import Material
from include.training.search.page import render
from include.training.search.records import Records
from include.training.search.schedulers import Suggest, scheduler_of
from include.training.search.suggest import suggester
from include.training.search.trials import Trials
from include.training.search.value import plain, value_of

TRIALS = 8  # a larger grid is sampled
ROWS = 20_000  # the newest training rows that each trial of a grid sees


def run(task: Task) -> Outcome:
    """Params: `features`, `training`, `label`, `problem`. Value: the best `params` and what every trial came to: the log loss
    where the problem has one, else its default metric, or the metric that the search names.

    A search that was killed goes on: see include/training/search/engine.py.
    """
    training: Mapping[str, Any] = task.params["training"]
    search, name = search_of(training), metric_of(training, of_params(task.params))
    whole = whole_of(search, training)
    train, validation, signature = read_rows(task, task.file("training_set", "train.parquet"))
    rows = train.last(search.rows) if search.rows else train
    metric = of_params(task.params).metric(name)
    material = Material(
        rows, validation, signature, training["fit"], int(training.get("seed", 7)), name, whole,
        Needs.received(task.settings.environ), str(training.get("precision", "32")),
    )  # fmt: skip
    records = Records(task.storage, records_folder(task.attempt.checkpoints))
    with (
        followed(task, metric) as heard,
        opened(material, records, search.concurrent, task.workdir) as executor,
    ):
        engine = engine_of(training, records, executor, metric)
        engine.heard = heard
        trials = engine.run()
    if isinstance(train, StreamedRows):
        forget_rows(task)
    return _outcome(task, trials, name, metric, typed=is_typed(training))


def _outcome(task: Task, trials: Trials, name: str, metric: Metric, *, typed: bool) -> Outcome:
    value: TuneValue = value_of(trials, name, metric)
    report = task.workdir / "report.html"
    report.write_text(render(task.request.model, value, metric))
    return Outcome(value if typed else plain(value, name), {"report.html": report})


def engine_of(training: Mapping[str, Any], records: Records, executor: Executor, metric: Metric) -> Engine:
    """The search of a request's section `training`, which goes by those records."""
    search = search_of(training)
    whole = max(whole_of(search, training), 1)
    return Engine(search, scheduler_of(search, whole), _suggest(search, training), records, executor, Trials(whole))


def read_so_far(training: Mapping[str, Any], records: Records, metric: Metric) -> Trials:
    """The trials of a search that is under way, or was: by its records alone."""
    return engine_of(training, records, Recorded(records), metric).read()


def records_folder(checkpoints: str) -> str:
    return f"{checkpoints}/search"


def is_typed(training: Mapping[str, Any]) -> bool:
    """Whether `training.search` is a Search, as JSON, and no grid of values by name."""
    return isinstance(training.get("search", {}).get("space"), Mapping)


def search_of(training: Mapping[str, Any]) -> Search:
    """The search; of a grid of values the one that tries it as it always was. Raises SpecError."""
    if is_typed(training):
        return Search.model_validate(training["search"])
    return Search.model_construct(space={}, algorithm="grid", trials=TRIALS, rows=ROWS, seed=int(training.get("seed", 7)))


def metric_of(training: Mapping[str, Any], problem: Problem) -> str:
    """The name of the metric that chooses. Raises SpecError or DataError for one that cannot."""
    asked = training["search"].get("metric", "") if is_typed(training) else ""
    if not asked:
        return tuned_by(problem)
    if problem.metric(asked).decided:
        raise SpecError(
            f"training.search.metric: {asked!r} is of decisions, which serving makes and no trial does.",
            seen=asked,
            safe="nothing was tried.",
            hint=f"choose one of {', '.join(name for name, each in problem.metrics.items() if not each.decided)}.",
        )
    return str(asked)


def tuned_by(problem: Problem) -> str:
    """The metric that chooses: the log loss, which feels every row, where there is one."""
    return "log_loss" if "log_loss" in problem.metrics else problem.value.DEFAULT_METRIC


def whole_of(search: Search, training: Mapping[str, Any]) -> int:
    """The epochs of a whole fit; 0 where trials are measured at their end alone. Raises SpecError if a scheduler needs them."""
    epochs = training.get("params", {}).get("epochs")
    if search.space and "epochs" not in search.space and isinstance(epochs, int) and epochs >= 1:
        return epochs
    if search.scheduler != "none":
        raise SpecError(
            f"training.search.scheduler: {search.scheduler!r} stops trials after some epochs of training.params.epochs.",
            seen={"epochs": epochs},
            safe="nothing was tried.",
            hint='say how many epochs a whole fit has, or scheduler="none".',
        )
    return 0


def grid(search: Mapping[str, Any], seed: int) -> list[dict[str, Json]]:
    """Every point of the grid, or TRIALS of them drawn with the seed. One empty point if there is no grid."""
    names = sorted(search)
    points = [dict(zip(names, values, strict=True)) for values in itertools.product(*(search[name] for name in names))]
    return points if len(points) <= TRIALS else random.Random(seed).sample(points, TRIALS)


def _suggest(search: Search, training: Mapping[str, Any]) -> Suggest:
    base = training.get("params", {})
    if is_typed(training):
        return suggester(search, base)
    points = grid(training.get("search", {}), search.seed)
    return lambda trials: {**base, **points[len(trials)]} if len(trials) < len(points) else None
