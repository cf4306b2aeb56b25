"""How many holdout rows and days the gate takes, before anything is trained for it (include/problems/holdout_plan.py).

The spread comes from what there is: the newest comparison of two versions; else the champion's own errors on its holdout, and
how alike two models' errors are assumed to be; else a simulation of what is stated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.errors import DataError, IntegrityError
from include.core.ledger import Ledger
from include.core.request import Request, Result
from include.core.scratch import scratch_folder
from include.core.spec import Binary, ModelSpec
from include.metrics.paired import Difference
from include.model_contract.encoder import Encoder
from include.model_contract.model import model_file, open_model
from include.problems.holdout_plan import POWER, Assumed, AssumedLoss, Spread, lost
from include.problems.label_columns import days as days_of
from include.problems.of import of_spec, problem_of, require_same
from include.problems.problem import TIME, Problem
from include.problems.stated import stated, units_of
from include.versions.record import Stage, VersionRecord

ALIKE = 0.9  # the correlation of two models' errors where nothing was measured: versions of one recipe
GONE = (DataError, IntegrityError, FileNotFoundError, KeyError, TypeError, ValueError)  # or of another form


@dataclass(frozen=True)
class Seen:
    """A spread, in which holdout it was seen, and in words where it comes from. `rows_per_day`: of the holdout."""

    spread: Spread
    rows_per_day: float
    source: str
    worse: float | None = None  # the difference of the challenger that was compared


@dataclass(frozen=True)
class Line:
    """What the gate does with a challenger of a true difference `worse`, in the metric's unit; negative: ahead."""

    worse: float
    words: str
    chance: float  # of passing, with training.holdout_days as they are
    rows: int | None  # with which it passes with a chance of POWER; None: no number does
    days: int | None


@dataclass(frozen=True)
class GatePlan:
    """The plan of one model. `power`: the chance of passing that `rows` and `days` of a line are for."""

    model: str
    metric: str
    margin: float
    alpha: float
    power: float
    holdout_days: int
    rows_per_day: float
    source: str
    error: float
    lines: tuple[Line, ...]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "lines": [asdict(line) for line in self.lines]}


def plan(spec: ModelSpec, seen: Seen, power: float = POWER) -> GatePlan:
    """For challengers that are ahead by the margin, as good, and behind by half of it; and for one as it was seen."""
    margin, days = spec.evaluation.margin, spec.training.holdout_days
    asked = [-margin, 0.0, margin / 2]
    if seen.worse is not None:
        asked.append(seen.worse)
    lines = tuple(_line(spec, seen, worse, days, power) for worse in asked)
    return GatePlan(spec.name, spec.evaluation.metric, margin, spec.evaluation.alpha, power, days, seen.rows_per_day, seen.source,
                    seen.spread.error, lines)  # fmt: skip


def _line(spec: ModelSpec, seen: Seen, worse: float, days: int, power: float) -> Line:
    spread, margin, alpha = seen.spread, spec.evaluation.margin, spec.evaluation.alpha
    units = days if spread.by_day else days * seen.rows_per_day
    chance = spread.chance(max(units, 2), worse, margin, alpha)
    needed = spread.needed(worse, margin, alpha, power)
    rows = None if needed is None else spread.rows_of(needed)
    return Line(
        worse, lost(stated(of_spec(spec), spec.evaluation.metric), worse), round(chance, 3), rows, _days(seen, needed, rows)
    )


def _days(seen: Seen, needed: int | None, rows: int | None) -> int | None:
    if needed is None or rows is None:
        return None
    return needed if seen.spread.by_day else math.ceil(rows / seen.rows_per_day)


def measured(ledger: Ledger, spec: ModelSpec, records: Sequence[VersionRecord], alike: float = ALIKE) -> Seen | None:
    """From the versions, newest last: the newest comparison of two of them, else the champion's (or the newest's) own errors.
    None where there is no version whose results can be read."""
    for record in reversed(records):
        if (found := _compared(ledger, spec, record)) is not None:
            return found
    champions = [record for record in records if record.stage is Stage.PRODUCTION]
    for record in (*reversed(champions), *reversed(records)):
        if (found := _alone(ledger, spec, record, alike)) is not None:
            return found
    return None


def assumed(spec: ModelSpec, given: Assumed, rows_per_day: float) -> Seen:
    """Before the first training, of a binary model. Raises DataError for assumptions that are none."""
    if not isinstance(spec.problem, Binary):
        raise DataError(
            f"{spec.name} predicts no 0 or 1, and an AUC describes no two models of its kind.",
            seen=type(spec.problem).__name__,
            safe="nothing was changed.",
            hint=f"say how far the {spec.evaluation.metric} of single rows spreads: slipstream gate plan {spec.name} "
            "--rows-per-day 500 --deviation 12.5",
        )
    if not (0.5 < given.auc < 1 and 0 < given.rate < 1 and 0 <= given.alike < 1 and rows_per_day > 0):
        raise DataError(
            "These assumptions describe no two models.", seen=f"{given}, {rows_per_day:g} rows a day",
            safe="nothing was changed.",
            hint="an AUC between .5 and 1, a rate between 0 and 1, a likeness from 0 to below 1, and rows a day above 0.",
        )  # fmt: skip
    rows = max(round(rows_per_day * spec.training.holdout_days), 2)
    spread = given.spread(spec.evaluation.metric, rows, spec.serving.threshold)
    if spread is None:
        raise DataError("So few rows tell no spread.", seen=rows, hint="give more rows a day, or a higher rate.")
    words = (
        f"simulated, both models with an AUC of {given.auc:g}, {given.rate:.1%} positive labels, scores that correlate by "
        f"{given.alike:g} within a class, rows independent of each other"
    )
    return Seen(spread, rows_per_day, words)


def assumed_loss(spec: ModelSpec, given: AssumedLoss, rows_per_day: float) -> Seen:
    """Before the first training, of any model whose metric is a mean over rows or queries. Raises DataError."""
    if not (given.deviation > 0 and math.isfinite(given.deviation) and 0 <= given.alike < 1 and rows_per_day > 0):
        raise DataError(
            "These assumptions describe no two models.", seen=f"{given}, {rows_per_day:g} rows a day",
            safe="nothing was changed.", hint="a deviation and rows a day above 0, and a likeness from 0 to below 1.",
        )  # fmt: skip
    rows = max(round(rows_per_day * spec.training.holdout_days), 2)
    metric = stated(of_spec(spec), spec.evaluation.metric)
    words = (
        f"assumed, the {metric.title} of single rows spreading by {given.deviation:g}{metric.unit} and two models' correlating "
        f"by {given.alike:g}, rows independent of each other"
    )
    return Seen(given.spread(rows), rows_per_day, words)


def _compared(ledger: Ledger, spec: ModelSpec, record: VersionRecord) -> Seen | None:
    try:
        result = ledger.resolve(record.entry.lineage.evaluation)
        difference = Difference.from_json(result.value["paired"])
        days = _holdout_days(ledger, ledger.request(result.key), spec)
    except GONE:
        return None
    spread = Spread.of(difference)
    if spread is None or spec.evaluation.metric != _metric(ledger, result, spec):
        return None
    by = f", {spread.units} days that differ by more than their rows" if spread.by_day else ""
    words = f"as version {record.version} beside the champion of its time, on {spread.rows:,} holdout rows{by}"
    return Seen(spread, spread.rows / (spread.units if spread.by_day else days), words, difference.worse)


def _metric(ledger: Ledger, result: Result, spec: ModelSpec) -> str:
    section = ledger.request(result.key).params.get("evaluation", {})
    return str(section.get("metric", spec.evaluation.metric)) if isinstance(section, Mapping) else spec.evaluation.metric


def _holdout_days(ledger: Ledger, evaluation: Request, spec: ModelSpec) -> int:
    made = ledger.request(ledger.resolve(evaluation.inputs["training_set"]).key)
    return int(made.params.get("holdout_days", spec.training.holdout_days))


def _alone(ledger: Ledger, spec: ModelSpec, record: VersionRecord, alike: float) -> Seen | None:
    """The version's own error on its holdout: that of a difference is it times the root of 2 (1 - alike)."""
    try:
        problem = problem_of(spec.problem, record.entry.threshold)
        holdout, scores = _scored(ledger, record, problem)
        days = _holdout_days(ledger, ledger.request(ledger.resolve(record.entry.lineage.evaluation).key), spec)
    except GONE:
        return None
    truth = problem.truth(holdout, spec.label)
    own, groups = problem.influence(spec.evaluation.metric, truth, scores), days_of(holdout, TIME)
    by_row, (by_group, found) = own.row_error(), own.group_error(groups)
    by_day = by_group > by_row
    error = max(by_row, by_group) * math.sqrt(2 * (1 - alike))
    if not math.isfinite(error) or error <= 0:
        return None
    rows, units = problem.units(truth), units_of(problem)
    spread = Spread(error, rows, found if by_day else rows, by_day)
    words = (
        f"from version {record.version}'s own errors on its {rows:,} holdout {units}, and a challenger whose errors "
        f"correlate with them by {alike:g} (assumed: no two versions were compared yet)"
    )
    return Seen(spread, rows / (found if by_day else days), words)


def _scored(ledger: Ledger, record: VersionRecord, problem: Problem) -> tuple[pa.Table, np.ndarray]:
    """The version's holdout, and its outputs of it. Raises DataError for a version of another problem."""
    train, data = ledger.resolve(record.entry.lineage.train), ledger.resolve(record.entry.lineage.training_set)
    with scratch_folder() as scratch:
        model = open_model(ledger.fetch(train, model_file(train.files), scratch))
        signature = json.loads(ledger.storage.read(train.files["signature.json"].path))
        require_same(problem, signature, f"version {record.version}")
        encoder = Encoder.from_json(signature)
        holdout = pq.read_table(ledger.fetch(data, "holdout.parquet", scratch))
        return holdout, model.score(encoder.encode_table(holdout))
