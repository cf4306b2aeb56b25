"""Step `reference`: what a champion's past looked like, computed once for as long as it is watched.

Daily profiles of its training set, of its labels, and of its answers on the rows it never trained on; the importance of
its inputs; a bounded sample to draw. Some hundred kilobytes that outlive the training set itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.adapters import adapter
from include.core.request import Json, Outcome
from include.core.spec import Feature, Features
from include.core.task import Task
from include.monitoring.answers import LABEL, answer_axes, answers, appended, importance, label_axis
from include.monitoring.axis import Axis, Floats, axes
from include.monitoring.profile import Parts, profile_parts
from include.monitoring.profile_file import write_profiles
from include.monitoring.reference import TIME, clocks
from include.monitoring.report import sample

PARTS = ("train", "holdout")


def run(task: Task) -> Outcome:
    """Inputs `training_set` and, for what the model itself says, `train`. Params `features`, `label`, `slices`.

    Writes `reference.parquet` (see profile_file) and `sample.parquet`. Value: the training set's, `columns`, `days`.
    """
    params = task.params
    features = Features.model_validate(params["features"]).inputs
    tables = [pq.read_table(task.file("training_set", f"{name}.parquet")) for name in PARTS]
    found, parts, facts = _profiles(task, tables, features, str(params["label"]), params.get("slices", ()))
    path, drawn = task.workdir / "reference.parquet", task.workdir / "sample.parquet"
    write_profiles(path, found, parts, facts)
    pq.write_table(sample(every(tables, features)), drawn, compression="zstd")
    value = {**task.input("training_set").value, "columns": len(found), "days": len({day for day, _ in parts})}
    return Outcome(value, {"reference.parquet": path, "sample.parquet": drawn})


def every(tables: Sequence[pa.Table], features: Sequence[Feature], label: str = "") -> pa.Table:
    """All rows known when the champion was made, holdout included: what is usual is no secret of training."""
    wanted = (TIME, *(feature.name for feature in features), *((label,) if label else ()))
    names = [name for name in wanted if name in tables[0].column_names]
    return pa.concat_tables([table.select(names) for table in tables], promote_options="permissive")


def _profiles(
    task: Task, tables: Sequence[pa.Table], features: Sequence[Feature], label: str, slices: Sequence[str]
) -> tuple[list[Axis], Parts, dict[str, Json]]:
    rows = every(tables, features, label)
    found = axes(features, rows)
    facts: dict[str, Json] = {"clocks": list(clocks(rows, found)), "rows": rows.num_rows, "importance": {}, "center": None}
    known = _numbers(rows, label)
    told = [*found, label_axis()] if known is not None else found
    whole = rows if known is None else appended(rows, {LABEL: known})
    parts = profile_parts(whole, told, TIME, slices)
    if "train" not in task.request.inputs or not tables[1].num_rows:
        return told, parts, facts
    score, weights = _answers(task, tables[1])
    facts |= {"importance": weights, "center": float(score.mean())}
    said = answer_axes(score)
    columns = answers(_numbers(tables[1], label), score, facts["center"])
    answered = profile_parts(appended(tables[1].select([TIME]), columns), said, TIME)
    return [*found, *said], _joined(parts, answered), facts


def _answers(task: Task, holdout: pa.Table) -> tuple[Floats, dict[str, float]]:
    """The champion's scores [n] of the holdout, and the importance of its inputs."""
    signature: Mapping[str, Any] = json.loads(task.file("train", "signature.json").read_text())
    encoder = adapter("encoder").from_json(signature)
    model = adapter("model")(task.file("train", "model.onnx"))
    encoded = encoder.encode_table(holdout)
    names = [str(each["name"]) for each in signature["inputs"]]
    scores: Floats = np.asarray(model.score(encoded), dtype=np.float64)
    return scores, importance(model, encoded, names)


def _joined(parts: Parts, answered: Parts) -> dict[tuple[str, str], dict[str, Any]]:
    """The answers' columns beside the inputs', on the days that have them."""
    said = {part: {name: s for name, s in rows.items() if name != LABEL} for part, rows in answered.items()}
    return {part: {**rows, **said.get(part, {})} for part, rows in parts.items()}


def _numbers(table: pa.Table, label: str) -> Floats | None:
    """The label's values [n], if the table has it as numbers for every row."""
    if label not in table.column_names or table[label].null_count:
        return None
    values: Floats = table[label].cast(pa.float64()).to_numpy()
    return values
