"""Step `reference`: what a champion's past looked like, computed once for as long as it is watched.

Daily profiles of its training set, of its labels, and of its answers on the rows it never trained on; the importance of
its inputs; a bounded sample to draw. Some hundred kilobytes that outlive the training set itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.request import Outcome
from include.core.spec import Feature, Features
from include.core.task import Task
from include.model_contract.encoder import Encoder
from include.model_contract.model import model_file, open_model
from include.monitoring.performance.estimate_calibration import backtest
from include.monitoring.performance.estimation import spaced
from include.monitoring.performance.known_rows import labels
from include.monitoring.performance.terms import terms_from
from include.monitoring.profile.binning import Axis, Floats, axes
from include.monitoring.profile.prediction_columns import (
    LABEL,
    SCORE,
    answer_axes,
    answer_columns,
    appended,
    importance,
    label_axis,
)
from include.monitoring.profile.profile_file import write_profiles
from include.monitoring.profile.profiles import Parts, profile_parts
from include.monitoring.reference import TIME, clocks
from include.monitoring.report import sample
from include.problems.label_columns import numbered
from include.problems.of import of_params, require_same
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth
from include.step_values.features import TrainingSetValue
from include.step_values.monitoring import BacktestedWindow, ReferenceValue

PARTS = ("train", "holdout")


def run(task: Task) -> Outcome:
    """Inputs `training_set` and, for what the model itself says, `train`. Params `features`, `label`, `slices`; for the record
    of estimates before labels `monitoring`, `metric`, `threshold`; of other kinds than a plain binary one, `problem`.

    Writes `reference.parquet` (see profile_file), `sample.parquet` and, with `train`, `holdout.parquet`: the rows the champion
    never trained on, with its scores. Value: the training set's, `columns`, `days`, `backtest` (see
    estimate_calibration).
    """
    params = task.params
    features = Features.model_validate(params["features"]).inputs
    tables = [pq.read_table(task.file("training_set", f"{name}.parquet")) for name in PARTS]
    answered = _answers(task, tables[1], of_params(params)) if "train" in task.request.inputs and tables[1].num_rows else None
    found, parts, facts = _profiles(answered, tables, features, params)
    files = {f"{name}.parquet": task.workdir / f"{name}.parquet" for name in ("reference", "sample", "holdout")}
    write_profiles(files["reference.parquet"], found, parts, facts)
    pq.write_table(sample(every(tables, features)), files["sample.parquet"], compression="zstd")
    backtested: list[BacktestedWindow] = []
    if answered is None:
        del files["holdout.parquet"]
    else:
        held = _holdout(tables[1], answered[0], features, params)
        pq.write_table(held, files["holdout.parquet"], compression="zstd")
        backtested = _backtest(held, found, facts["clocks"], params)
    value: ReferenceValue = {
        **task.input("training_set").read(TrainingSetValue),
        "columns": len(found),
        "days": len({day for day, _ in parts}),
        "backtest": backtested,
    }
    return Outcome(value, files)


def every(tables: Sequence[pa.Table], features: Sequence[Feature], label: str = "") -> pa.Table:
    """All rows known when the champion was made, holdout included: what is usual is no secret of training."""
    wanted = (TIME, *(feature.name for feature in features), *((label,) if label else ()))
    names = [name for name in wanted if name in tables[0].column_names]
    return pa.concat_tables([table.select(names) for table in tables], promote_options="permissive")


def _holdout(holdout: pa.Table, outputs: Outputs, features: Sequence[Feature], params: Mapping[str, Any]) -> pa.Table:
    """A bounded part of the holdout as `collect` would have written it, had it been served: labelled rows alone."""
    problem, label = of_params(params), str(params["label"])
    beside = (*((problem.query,) if problem.query else ()), *problem.costs)
    names = dict.fromkeys([*(feature.name for feature in features), *params.get("slices", ()), *beside])
    table = holdout.select([TIME, *(name for name in names if name in holdout.column_names)]).rename_columns({TIME: "event_time"})
    columns: dict[str, Floats | pa.Array] = {"score": problem.summary(outputs)}
    if outputs.ndim > 1:
        columns["outputs"] = pa.array(outputs.astype(np.float64).tolist(), pa.list_(pa.float64()))
    known = label in holdout.column_names and not holdout[label].null_count
    columns["label"] = _stored(holdout[label], problem) if known else pa.nulls(len(outputs), pa.float64())
    held = appended(table, columns)
    return spaced(held.filter(pa.array(np.isfinite(labels(held, problem)))))


def _stored(column: pa.ChunkedArray, problem: Problem) -> pa.ChunkedArray:
    """Labels as `collect` writes them: numbers, or classes by name."""
    return column.cast(problem.kept_type)


def _backtest(held: pa.Table, found: Sequence[Axis], clocks: Sequence[str], params: Mapping[str, Any]) -> list[BacktestedWindow]:
    if "monitoring" not in params:
        return []
    watched, terms = params["monitoring"], terms_from(params)
    inputs = [axis for axis in found if not axis.name.startswith("(") and axis.name not in clocks]
    return [landed.to_json() for landed in backtest(held, inputs, terms, timedelta(days=int(watched["window_days"])))]


def _profiles(
    answered: tuple[Outputs, dict[str, float]] | None,
    tables: Sequence[pa.Table],
    features: Sequence[Feature],
    params: Mapping[str, Any],
) -> tuple[list[Axis], Parts, dict[str, Any]]:
    problem, label, slices = of_params(params), str(params["label"]), params.get("slices", ())
    rows = every(tables, features, label)
    found = axes(features, rows)
    facts: dict[str, Any] = {"clocks": list(clocks(rows, found)), "rows": rows.num_rows, "importance": {}, "center": None}
    known = _known(rows, label, problem)
    profiled = [*found, label_axis(problem, known)] if known is not None else found
    whole = rows if known is None else appended(rows, {LABEL: known})
    parts = profile_parts(whole, profiled, TIME, slices)
    if answered is None:
        return profiled, parts, facts
    outputs, weights = answered
    facts |= {"importance": weights, "center": float(problem.summary(outputs).mean())}
    columns = _columns(tables[1], label, problem, outputs, facts["center"])
    said = answer_axes(problem, columns) if LABEL in columns else [Axis.spanning(SCORE, "float", problem.summary(outputs))]
    spoken = profile_parts(appended(tables[1].select([TIME]), columns), said, TIME)
    return [*found, *said], _joined(parts, spoken), facts


def _columns(holdout: pa.Table, label: str, problem: Problem, outputs: Outputs, center: float) -> dict[str, pa.Array]:
    """What is watched beside the inputs, on the holdout; the summary of the outputs alone where it has no labels."""
    column = _known(holdout, label, problem)
    if column is None:
        return {SCORE: pa.array(problem.summary(outputs))}
    query = None if problem.query is None else numbered(holdout[problem.query])
    truth = Truth(labels(pa.table({"label": column}), problem), query=query)
    return answer_columns(problem, truth, outputs.astype(np.float64), center, column)


def _answers(task: Task, holdout: pa.Table, problem: Problem) -> tuple[Outputs, dict[str, float]]:
    """The champion's outputs of the holdout, and the importance of its inputs."""
    signature: Mapping[str, Any] = json.loads(task.file("train", "signature.json").read_text())
    require_same(problem, signature, "the champion")
    encoder = Encoder.from_json(signature)
    model = open_model(task.file("train", model_file(task.input("train").files)), task.settings.environ)
    names = [str(each["name"]) for each in signature["inputs"]]

    def score(rows: pa.Table) -> Outputs:
        return model.score(encoder.encode_table(rows))

    return score(holdout).astype(np.float64), importance(score, holdout, names, problem)


def _joined(parts: Parts, answered: Parts) -> dict[tuple[str, str], dict[str, Any]]:
    """The answers' columns beside the inputs', on the days that have them."""
    said = {part: {name: s for name, s in rows.items() if name != LABEL} for part, rows in answered.items()}
    return {part: {**rows, **said.get(part, {})} for part, rows in parts.items()}


def _known(table: pa.Table, label: str, problem: Problem) -> pa.ChunkedArray | None:
    """The label's column as `collect` writes it, if the table has it for every row."""
    if label not in table.column_names or table[label].null_count:
        return None
    return _stored(table[label], problem)
