"""What a model does with a worse day than the holdout's: inputs that are missing, noisy, unknown, or in another unit.

Each trial is scored on the same rows as they are, so that its fall has the noise of a paired comparison. What is computed of a
request (features.request with an expression) is computed anew of what is left; where it is computed of fields that are no inputs
(features.request_fields), which no training set has, it stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import stdtr

from include.core.spec import Feature, Features, Robustness
from include.data.authored import memory
from include.data.session import open_session
from include.data.sql import quoted
from include.metrics.arrays import Bools
from include.metrics.paired import Difference
from include.point_in_time.computed import finished, request_features
from include.problems.problem import Problem
from include.problems.stated import stated
from include.problems.truth import Outputs, Truth
from include.request_features.definition import RequestFeatures
from include.step_values.robustness import RobustnessValue, TrialValue

UNSEEN = "\x00unseen"  # no training row has it
LEVEL = 0.05  # the chance that a model which falls by the limit itself, whatever view it is, closes the gate
INTERVAL = 0.025  # on either side of a fall
NUMBERS = ("float", "int")

Score = Callable[[pa.Table], Outputs]
What = Literal["missing", "view missing", "noise", "unknown category", "ten times", "a tenth"]


@dataclass(frozen=True)
class Trial:
    """What is wrong, on which input or view, and the inputs that are changed."""

    what: What
    on: str
    changed: dict[str, pa.ChunkedArray | pa.Array]
    words: str


def tried(
    table: pa.Table, truth: Truth, score: Score, features: Features, problem: Problem, metric: str, spec: Robustness
) -> RobustnessValue:
    """Of the holdout, or `spec.rows` of it. `score`: of rows with every input by name."""
    chosen = _sample(truth, spec)
    rows, known = table.filter(pa.array(chosen)), truth.take(chosen)
    whole = score(rows)
    base = problem.metric(metric).measured(known, whole)
    found: list[tuple[TrialValue, Difference]] = []
    with ExitStack() as stack:
        maker = _Maker(rows, features, spec, stack)
        for trial in maker.trials():
            found.append(_tried(trial, score(maker.changed(trial)), whole, known, problem, metric))
    found.sort(key=lambda each: (-each[1].worse if each[1].worse == each[1].worse else math.inf, each[0]["what"], each[0]["on"]))
    missed = _missed(found, spec, problem, metric)
    value: RobustnessValue = {
        "words": "",
        "metric": metric,
        "rows": rows.num_rows,
        "seed": spec.seed,
        "base": _finite(base),
        "limit": spec.limit,
        "trials": [each for each, _ in found],
        "missed": missed,
    }
    return {**value, "words": _words(value, problem)}


def _tried(
    trial: Trial, outputs: Outputs, whole: Outputs, truth: Truth, problem: Problem, metric: str
) -> tuple[TrialValue, Difference]:
    """Outputs that are none are a trial's finding, not an evaluation's end."""
    if wrong := problem.check(outputs, len(truth)):
        nothing = Difference(math.inf, math.nan, 1, len(truth))
        words = f"{trial.words}, which gives {wrong}"
        return {
            "what": trial.what,
            "on": trial.on,
            "metric": None,
            "fall": None,
            "low": None,
            "high": None,
            "words": words,
        }, nothing
    assert truth.day is not None
    fall = problem.difference(metric, truth, outputs, whole, truth.day)
    return _value(trial, problem.metric(metric).measured(truth, outputs), fall), fall


def _sample(truth: Truth, spec: Robustness) -> Bools:
    """Rows drawn by the seed; whole lists where rows are of lists."""
    units = np.arange(len(truth)) if truth.query is None else np.unique(truth.query, return_inverse=True)[1]
    count = int(units.max()) + 1 if len(units) else 0
    order = np.random.default_rng(spec.seed).permutation(count)
    sizes = np.bincount(units, minlength=count)[order]
    kept = order[: max(1, int((np.cumsum(sizes) <= spec.rows).sum()))]
    found: Bools = np.isin(units, kept)
    return found


class _Maker:
    """The rows with something wrong."""

    def __init__(self, rows: pa.Table, features: Features, spec: Robustness, stack: ExitStack) -> None:
        self.rows, self.features, self.spec, self._stack = rows, features, spec, stack
        self.given = [each for each in features.inputs if not each.expression]

    def trials(self) -> Iterator[Trial]:
        for each in self.given:
            yield Trial("missing", each.name, self._missing([each]), f"{each.name} is missing")
        for view in self.features.views:
            yield Trial("view missing", view.name, self._missing(view.features), f"the view {view.name} is missing")
        for share in self.spec.noise:
            if noisy := {each.name: self._noisy(each, share) for each in self.given if each.dtype == "float"}:
                yield Trial(
                    "noise", f"{share:g}", noisy, f"every number has {share:.2%} of its deviation as noise".replace(".00%", "%")
                )
        for each in self.given:
            if each.dtype == "category":
                unseen = pa.array([UNSEEN] * self.rows.num_rows, pa.string())
                yield Trial("unknown category", each.name, {each.name: unseen}, f"{each.name} has values nobody has seen")
            if each.dtype in NUMBERS:
                for what, factor in (("ten times", 10.0), ("a tenth", 0.1)):
                    scaled = self._scaled(each, factor)
                    yield Trial(what, each.name, {each.name: scaled}, f"{each.name} comes {what} as large")  # type: ignore[arg-type]

    def _missing(self, some: Sequence[Feature]) -> dict[str, pa.Array]:
        return {each.name: pa.nulls(self.rows.num_rows, self.rows[each.name].type) for each in some if not each.expression}

    def _scaled(self, each: Feature, factor: float) -> pa.Array:
        """A whole number stays one: what divides it rounds."""
        column = self.rows[each.name]
        scaled = pc.multiply(column.cast(pa.float64()), factor)
        return scaled if pa.types.is_floating(column.type) else pc.round(scaled).cast(column.type, safe=False)

    def _noisy(self, each: Feature, share: float) -> pa.Array:
        values = self.rows[each.name].cast(pa.float64()).to_numpy(zero_copy_only=False)
        finite = np.isfinite(values)
        size = float(values[finite].std()) if finite.any() else 0.0
        place = [feature.name for feature in self.given].index(each.name)
        noise = np.random.default_rng([self.spec.seed, place]).normal(size=len(values))  # the same at every level
        return pa.array(np.where(finite, values + share * size * noise, np.nan), from_pandas=False)

    def changed(self, trial: Trial) -> pa.Table:
        """All rows with the trial's inputs, and what is computed of them."""
        table = self.rows
        for name, column in trial.changed.items():
            table = table.set_column(table.schema.get_field_index(name), name, column)
        return self._computed(table) if self._computes else table

    @cached_property
    def _computes(self) -> bool:
        """Whether something is computed of a request, and the rows have all that it is computed of: what came with a request for
        that alone (features.request_fields) is in no training set."""
        wanted = RequestFeatures.of(self.features)
        return wanted is not None and {each.name for each in wanted.given} <= set(self.rows.column_names)

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self._stack.enter_context(open_session(1, memory()))

    @cached_property
    def _wanted(self) -> RequestFeatures | None:
        return request_features(self._connection, self.features)

    def _computed(self, table: pa.Table) -> pa.Table:
        """What is computed of a request, of these rows, in their order."""
        computed = [each.name for each in self.features.inputs if each.expression]
        bare = table.drop_columns([name for name in computed if name in table.column_names])
        bare = bare.append_column("_place", pa.array(np.arange(table.num_rows)))
        self._connection.register("rows_tried", bare)
        sql = finished("SELECT * FROM rows_tried", self.features, self._wanted, ("_place", "event_timestamp"))
        found = self._connection.sql(f"SELECT {quoted('_place', *computed)} FROM ({sql}) ORDER BY _place").to_arrow_table()
        for name in computed:
            bare = bare.append_column(name, found[name])
        return bare.drop_columns(["_place"])


def _value(trial: Trial, left: float, fall: Difference) -> TrialValue:
    half = fall.upper(INTERVAL) - fall.worse
    return {
        "what": trial.what,
        "on": trial.on,
        "metric": _finite(left),
        "fall": _finite(fall.worse),
        "low": _finite(fall.worse - half),
        "high": _finite(fall.worse + half),
        "words": trial.words,
    }


def _missed(found: Sequence[tuple[TrialValue, Difference]], spec: Robustness, problem: Problem, metric: str) -> list[str]:
    """The views whose loss is shown to cost more than the limit, beyond chance of as many tries."""
    views = [(each, fall) for each, fall in found if each["what"] == "view missing"]
    if spec.limit is None:
        return []
    words = stated(problem, metric)
    broken = [f"{each['words']} (evaluation.robustness.limit)" for each, fall in views if math.isinf(fall.worse)]
    return broken + [
        f"where {each['words']}, {metric} falls by {fall.worse:.4f}{words.unit}, more than {spec.limit:.4f} "
        f"({each['low']:.4f} to {each['high']:.4f} is believable; evaluation.robustness.limit)"
        for each, fall in views
        if math.isfinite(fall.worse) and _beyond(fall, spec.limit) < LEVEL / len(views)
    ]


def _beyond(fall: Difference, limit: float) -> float:
    """The chance of such a fall if it were the limit; 1 where nothing is known."""
    if not math.isfinite(fall.error) or fall.worse <= limit:
        return 1.0
    return float(stdtr(fall.freedom, (limit - fall.worse) / fall.error)) if fall.error > 0 else 0.0


def _words(value: RobustnessValue, problem: Problem) -> str:
    """The verdict as a sentence."""
    name, unit = stated(problem, value["metric"]).title, stated(problem, value["metric"]).unit
    if value["missed"]:
        return f"{value['missed'][0][:1].upper()}{value['missed'][0][1:]}."
    worst = next((each for each in value["trials"] if each["fall"] is not None), None)
    if worst is None or worst["low"] is None or worst["low"] <= 0:
        return f"Nothing that was tried on {value['rows']:,} rows is shown to make the {name} worse."
    views = [each for each in value["trials"] if each["what"] == "view missing" and each["fall"] is not None]
    view = f" Of whole views {views[0]['on']} is missed most, by {views[0]['fall']:.4f}." if views else ""
    return f"The {name} falls most, by {worst['fall']:.4f}{unit}, where {worst['words']}.{view}"


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
