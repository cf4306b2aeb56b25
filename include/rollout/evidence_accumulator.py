"""Folding the prediction log into evidence, each record once: what has been read is not read again.

A `EvidenceAccumulator` belongs to a rollout. It holds the place in the log up to which it has read, the champion's answers
that are the baseline, and the counts of the present stage. Place and counts are stored as one row, so a
look that is killed loses or doubles nothing (include/rollout/accumulator_store.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isnan
from typing import TYPE_CHECKING, Any, Self

from include.core.request import Json
from include.core.spec import AnyKind, Binary, problem_from
from include.prediction_log.record import LABEL, OUTCOME, PREDICTION, SHADOW, Record
from include.rollout.alpha_spending import period_of, slice_of
from include.rollout.baseline import Baseline
from include.rollout.entity_bitmap import EntityBitmap, unit_number
from include.rollout.evidence import (
    AGAIN,
    AGAIN_ERRORS,
    CHALLENGER,
    CHAMPION,
    ENTITIES,
    ERRORS,
    FAILURES,
    FIRST,
    LABELLED,
    REQUESTS,
    Count,
    Evidence,
    first_of,
)
from include.rollout.guardrails import QUANTILES, business_metric_stream
from include.rollout.pending import CONTESTED, Pending, PendingAnswers

if TYPE_CHECKING:
    from include.problems.problem import Problem


@dataclass
class StageAccumulator:
    """The counts of one stage, by stream and slice."""

    stage: str
    generation: int
    planned: int
    shadow: bool
    limits: dict[str, float]
    labelled: bool
    threshold: float
    joined: bool  # whether labels or outcomes are expected: only then are requests kept for them to find
    before: int = 0  # requests of the baseline when the stage began, and its errors
    before_errors: int = 0
    clock: int = 0  # requests so far; in the shadow stage those that the shadow has seen: they come later
    gap: float = 0.0  # sum of how far the shadow's answers lie from the champion's, and how many
    gaps: int = 0
    slices: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    seen: dict[str, EntityBitmap] = field(default_factory=dict)
    pending: PendingAnswers = field(default_factory=PendingAnswers)
    problem: AnyKind = field(default_factory=Binary)  # as the spec states it
    first_labels: bool = False  # whether a promotion depends on labels: then each entity's first one is an observation

    def __post_init__(self) -> None:
        if not self.slices:  # one that was begun by an earlier version goes on as it was begun
            self.slices[FIRST] = ([], [])

    @cached_property
    def _kind(self) -> Problem:
        return _asked(self.problem, self.threshold)

    def add(self, record: Record) -> None:
        mirrored = record.kind == SHADOW
        if mirrored and not self.shadow:
            return  # mirrored before the stage, written after it
        arm = CHALLENGER if mirrored or record.arm == "challenger" else CHAMPION
        unit = unit_number(record.unit)
        self.clock += mirrored or not self.shadow
        self._count(REQUESTS, arm)
        new = self._mark(ENTITIES, unit, arm)
        if record.error is not None:
            self._count(FAILURES, arm)
            self._mark(ERRORS, unit, arm)
            if new and FIRST in self.slices:
                self._count(FIRST, arm)
        if self.clock > self.planned:
            self._count_again(record.error is not None, unit, arm)
        if mirrored:
            apart = self._kind.apart(record)
            if apart is not None:
                self.gap, self.gaps = self.gap + apart, self.gaps + 1
        else:
            self._measure(record, unit, arm)

    def _count_again(self, failed: bool, unit: int, arm: int) -> None:
        """The first request of each entity in each period after the plan: entities that begin to fail late are seen."""
        memory = f"{AGAIN}:{period_of(self._slice)}"
        if memory not in self.seen:
            self.seen = {name: seen for name, seen in self.seen.items() if not name.startswith(AGAIN)}
        if self._mark(AGAIN, unit, arm, memory) and failed:
            self._count(AGAIN_ERRORS, arm)

    def _measure(self, record: Record, unit: int, arm: int) -> None:
        """Latency and score of an answer, against the champion's quantiles."""
        for name in QUANTILES:
            if record.latency_us > self.limits.get(name, float("inf")):
                self._mark(name, unit, arm)
        if record.error is not None or record.score is None:
            return
        if record.score < self.limits.get("score_low", -inf):
            self._mark("score_low", unit, arm)
        if record.score > self.limits.get("score_high", inf):
            self._mark("score_high", unit, arm)
        if self.joined:
            self.pending.add(record.id, unit, arm, self._kind.remembered(record))

    def add_label(self, record: Record) -> bool:
        """A label or a named outcome of a request of this stage; False for one of another."""
        answer = self.pending.find(record.id)
        if answer is None or answer[1] == CONTESTED:
            return answer is not None
        if record.kind == LABEL:
            self._judge_by_label(record, answer)
        elif record.label is not None and record.label > 0:
            self._mark(business_metric_stream(record.metric), answer[0], answer[1])
        return True

    def _judge_by_label(self, record: Record, answer: Pending) -> None:
        """What the label makes of the answer, by the kind of problem."""
        unit, arm, said = answer
        label = self._kind.logged_label(record.label, record.label_class)
        if label is None or isnan(said):
            return
        loss = self._kind.loss_of(said, label)
        first = self.first_labels and self._mark(LABELLED, unit, arm)
        for event in self._kind.events:
            if event.happened(loss, self.limits):
                self._mark(event.name, unit, arm)
                if first:
                    self._count(first_of(event.name), arm)

    @property
    def _slice(self) -> int:
        return slice_of(max(0, self.clock - 1), self.planned)

    def _count(self, stream: str, arm: int) -> None:
        place = self._slice
        counts = self.slices.setdefault(stream, ([], []))[arm]
        if len(counts) <= place:
            counts.extend([0] * (place + 1 - len(counts)))
        counts[place] += 1

    def _mark(self, stream: str, unit: int, arm: int, memory: str = "") -> bool:
        """Count the first such event of each entity, by the bitmap `memory` (else the stream's). True: it was the first."""
        name = memory or stream
        seen = self.seen.get(name)
        if seen is None:
            seen = self.seen[name] = EntityBitmap(self.planned)
        new = seen.add(unit, arm)
        if new:
            self._count(stream, arm)
        return new

    def evidence(self) -> Evidence:
        counts = [Count(*(sum(self.slices.get(name, ((), ()))[arm]) for name in (REQUESTS, ENTITIES, ERRORS))) for arm in (0, 1)]
        streams = {name: (tuple(pair[0]), tuple(pair[1])) for name, pair in sorted(self.slices.items())}
        difference = self.gap / self.gaps if self.gaps else None
        before = Count(self.before, 0, self.before_errors)
        return Evidence(
            self.stage,
            self.generation,
            self.planned,
            self.clock,
            counts[0],
            counts[1],
            before,
            dict(self.limits),
            streams,
            difference,
        )

    def to_json(self) -> dict[str, Json]:
        """As it is stored: each field by name (include/rollout/accumulator_store.py has the versions)."""
        return {
            "stage": self.stage,
            "generation": self.generation,
            "planned": self.planned,
            "shadow": self.shadow,
            "limits": self.limits,
            "labelled": self.labelled,
            "threshold": self.threshold,
            "joined": self.joined,
            "before": self.before,
            "before_errors": self.before_errors,
            "clock": self.clock,
            "gap": self.gap,
            "gaps": self.gaps,
            "slices": self.slices,
            "seen": {name: seen.pack() for name, seen in self.seen.items()},
            "pending": self.pending.to_json(),
            "problem": _stored(self.problem),
            "first_labels": self.first_labels,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            stage=value["stage"],
            generation=value["generation"],
            planned=value["planned"],
            shadow=value["shadow"],
            limits=dict(value["limits"]),
            labelled=value["labelled"],
            threshold=value["threshold"],
            joined=value["joined"],
            before=value["before"],
            before_errors=value["before_errors"],
            clock=value["clock"],
            gap=value["gap"],
            gaps=value["gaps"],
            slices={name: (list(pair[0]), list(pair[1])) for name, pair in value["slices"].items()},
            seen={name: EntityBitmap.unpack(value["planned"], text) for name, text in value["seen"].items()},
            pending=PendingAnswers.from_json(value["pending"]),
            problem=problem_from(value["problem"]),
            first_labels=value["first_labels"],
        )


@dataclass
class EvidenceAccumulator:
    """Everything a rollout has learned from the log. `cursor`: bytes read of each of its segments."""

    since: int = 0  # generation of the rollout's first stage
    cursor: dict[str, int] = field(default_factory=dict)
    baseline: Baseline = field(default_factory=Baseline)
    stage: StageAccumulator | None = None
    problem: AnyKind = field(default_factory=Binary)  # as the spec states it

    @cached_property
    def _kind(self) -> Problem:
        return _asked(self.problem)

    def limits(self, floor_us: float) -> dict[str, float]:
        """The limits of a stage that begins now. `floor_us`: nobody is slow below it."""
        return self.baseline.limits(floor_us, self._kind)

    def begin(self, stage: StageAccumulator) -> None:
        """Start a stage. Its limits are taken from the baseline as it is now. A stage that has begun stays."""
        if self.stage is None or self.stage.generation < stage.generation:
            self.stage = stage

    def add(self, records: Iterable[Record]) -> None:
        for record in records:
            self._add(record)

    def _add(self, record: Record) -> None:
        if record.kind in (LABEL, OUTCOME):
            if record.kind == LABEL:
                self.baseline.add_label(record, self._kind)
            if self.stage is not None:
                self.stage.add_label(record)
            return
        if self.stage is not None and record.generation == self.stage.generation:
            self.stage.add(record)
        if record.generation >= self.since and record.kind == PREDICTION and record.arm == "champion":
            self.baseline.add(record, self._kind)

    def to_json(self) -> dict[str, Json]:
        stage = self.stage.to_json() if self.stage else None
        body: dict[str, Json] = {"since": self.since, "cursor": self.cursor, "baseline": self.baseline.to_json(), "stage": stage}
        return {**body, "problem": _stored(self.problem)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        stage = StageAccumulator.from_json(value["stage"]) if value["stage"] else None
        baseline, problem = Baseline.from_json(value["baseline"]), problem_from(value["problem"])
        return cls(value["since"], dict(value["cursor"]), baseline, stage, problem)


def _asked(problem: AnyKind, threshold: float = 0.5) -> Problem:
    from include.problems.of import problem_of  # pyarrow: `slipstream rollback` imports this module and asks nothing

    return problem_of(problem, threshold)


def _stored(problem: AnyKind) -> dict[str, Json]:
    """Nothing of a plain binary one, as requests have it."""
    return {} if problem == Binary() else problem.model_dump(mode="json")
