"""From a model's outputs to the log's record and the caller's answer, for every kind of problem.

A plain binary problem, whose label follows from score and threshold, is answered by `Answer`; `Answers` is for all others.
Whatever an author's decision function or a cost does, the caller gets an answer: what stands in is said in `degraded`.

decision: the author's function failed, or gave what is no decision    the plain decision: the threshold's, the likeliest class
costs: a cost is not known of this row, or negative                    the same
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from include.core.json_types import Json
from include.core.spec import AnyKind, Binary, ModelSpec
from include.metrics.arrays import Floats
from include.prediction_log.record import Record
from include.problems.of import of_spec, problem_of
from include.problems.problem import Problem

log = logging.getLogger(__name__)
Output = float | list[float]  # of a row: one number, or one a name of the problem's outputs


class Answer(msgspec.Struct, gc=False):
    """Of a plain binary problem."""

    id: str
    score: float
    label: int  # score at or above the spec's threshold; drawn at random for the share that the spec explores
    version: int | None  # that answered; None: the default score
    arm: str
    degraded: list[str]


def plain_answers(threshold: float) -> Callable[[Record], Answer | dict[str, Json]]:
    """What makes the answers of a plain binary problem."""

    def answer(record: Record) -> Answer | dict[str, Json]:
        assert record.score is not None
        label = int(record.score >= threshold) if record.decision is None else record.decision
        if record.precomputed_version is not None:
            return {"id": record.id, "score": record.score, "label": label, **_rest(record)}
        return Answer(record.id, record.score, label, record.version, record.arm, record.degraded)

    return answer


def is_plain(spec: ModelSpec) -> bool:
    """Whether the answer is a score and the threshold's label, and nothing more is logged."""
    return isinstance(spec.problem, Binary) and spec.problem.plain


def output_of(record: Record) -> Output:
    """What the model said of a record that has its answer."""
    assert record.score is not None
    return record.score if record.outputs is None else record.outputs


def _rest(record: Record) -> dict[str, Json]:
    """Who answered, and what was not as it should be; of what a batch had given beforehand also that, and its age in seconds."""
    rest: dict[str, Json] = {"version": record.version, "arm": record.arm, "degraded": list(record.degraded)}
    if record.precomputed_version is None:
        return rest
    return {**rest, "version": record.precomputed_version, "source": "precomputed", "age": round(record.precomputed_age, 3)}


class Answers:
    """Fills in records and makes answers, for one model."""

    def __init__(self, spec: ModelSpec) -> None:
        self.problem, self.kind = of_spec(spec), spec.problem.kind
        value = spec.problem
        self._plain = _undecided(value, spec.serving.threshold)
        costs = value.costs if isinstance(value, Binary) and not value.decision else None
        self._costs = costs.columns if costs is not None else ()

    @property
    def choices(self) -> int:
        """How many decisions there are to draw one from."""
        return len(self.problem.outputs) if self.problem.outputs_add_up else 2

    @property
    def default(self) -> Output:
        """What is said where no version can."""
        found: Output = self.problem.default_output.tolist()
        return found

    def fill(self, records: Sequence[Record], features: Sequence[Mapping[str, Any]], outputs: Sequence[Output]) -> None:
        """Score, outputs and decision of each record. `features`: of each row by name, those that are not logged included."""
        said = np.asarray(outputs, dtype=np.float64)
        for record, output, score in zip(records, outputs, self.problem.summary(said).tolist(), strict=True):
            record.score = score
            record.outputs = output if isinstance(output, list) else None
        if self.problem.decides:
            self._decide(records, features, said)

    def answer(self, record: Record) -> dict[str, Json]:
        """{"id", what the problem says, "place"?, "version", "arm", "degraded", "source"?, "age"?}. The best place is 1."""
        said = self.problem.answer(output_of(record), decision=record.decision)
        if record.place is not None:
            said["place"] = record.place + 1
        return {"id": record.id, **said, **_rest(record)}

    # -- decisions -----------------------------------------------------------------------------------

    def _decide(self, records: Sequence[Record], features: Sequence[Mapping[str, Any]], said: Floats) -> None:
        costs = {name: np.array([_cost(row.get(name)) for row in features]) for name in self._costs}
        unknown = np.zeros(len(records), dtype=np.bool_)
        for values in costs.values():
            unknown |= np.isnan(values)
        for place, decision in enumerate(self._decisions(said, costs)):
            record = records[place]
            if unknown[place]:  # then the threshold decided
                record.degraded = [*record.degraded, "costs"]
            if decision is None:
                record.degraded = [*record.degraded, "decision"]
                decision = int(self._plain.decide(said[place : place + 1])[0])
            if record.explored != "random":
                record.decision = decision

    def _decisions(self, said: Floats, costs: Mapping[str, Floats]) -> list[int | None]:
        """None where there is none. What is wrong with one row is that row's alone."""
        try:
            return [*self.problem.decide(said, costs).tolist()]
        except Exception as error:  # noqa: BLE001 - an author's function may raise anything: the caller has its answer
            if len(said) > 1:
                rows = range(len(said))
                parts = [(said[n : n + 1], {name: values[n : n + 1] for name, values in costs.items()}) for n in rows]
                return [self._decisions(*part)[0] for part in parts]
            log.warning("no decision was made: %r", error)
            return [None]


def _undecided(value: AnyKind, threshold: float) -> Problem:
    """The same problem without an author's decision function and without costs."""
    own = {name: empty for name, empty in (("decision", ""), ("costs", None)) if hasattr(value, name)}
    return problem_of(value.model_copy(update=own), threshold)


def _cost(value: Any) -> float:
    """NaN where it is none."""
    try:
        cost = float(value)
    except (TypeError, ValueError):
        return math.nan
    return cost if cost >= 0 and math.isfinite(cost) else math.nan
