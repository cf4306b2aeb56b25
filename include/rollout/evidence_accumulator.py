"""Folding the prediction log into evidence, each record once: what has been read is not read again.

An `EvidenceAccumulator` is what one source, a gateway, has counted of a rollout. It holds the place in the log up to which it
has read, the champion's answers that are the baseline, and the counts of the present stage. Place and counts are published in
one transaction (include/rollout/evidence_store.py), so whoever is killed loses or doubles nothing. Sources are merged by
include/rollout/evidence_merge.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

from include.core.request import Json
from include.core.spec import AnyKind, Binary
from include.prediction_log.record import LABEL, OUTCOME, PREDICTION, SHADOW, Record
from include.rollout.alpha_spending import SLICES, slice_of
from include.rollout.baseline import BaselineCounts
from include.rollout.entity_bitmap import unit_number
from include.rollout.evidence import AGAIN, CHALLENGER, CHAMPION, ENTITIES, ERRORS, FAILURES, REQUESTS
from include.rollout.first_marks import FirstMarks
from include.rollout.guardrails import QUANTILES
from include.rollout.journal import ANSWERS, LABELS, Journal
from include.rollout.moments import microseconds
from include.rollout.pending import LABEL_NAME, answer_row, label_name_and_value, label_row
from include.rollout.stage_terms import StageTerms, asked

if TYPE_CHECKING:
    from include.problems.problem import Problem

Counts = dict[str, tuple[list[int], list[int]]]
"""By stream, and by slice: the champion's, the challenger's."""


@dataclass
class StageAccumulator:
    """What a source has counted of one stage.

    A record counts in the slice that runs when it is read, as far as this source knows: by the requests of the others that it
    has heard of and its own. Slices that were judged are over, so it is never one of them.
    """

    terms: StageTerms
    clock: int = 0  # requests so far; in the shadow stage those that the shadow has seen: they come later
    others: int = 0  # the same of the other sources, when they were last asked
    judged: int = 0  # slices that a look has found complete
    gap: float = 0.0  # sum of how far the shadow's answers lie from the champion's, and how many
    gaps: int = 0
    counts: Counts = field(default_factory=dict)
    answers: Journal = field(default_factory=lambda: Journal(ANSWERS))
    told: Journal = field(default_factory=lambda: Journal(LABELS, names=[LABEL_NAME]))
    marks: FirstMarks = field(init=False)

    def __post_init__(self) -> None:
        self.marks = FirstMarks(self.terms.planned)

    @cached_property
    def _kind(self) -> Problem:
        return self.terms.kind()

    @property
    def slot(self) -> int:
        """The slice that runs."""
        return max(self.judged, slice_of(max(0, self.others + self.clock - 1), self.terms.planned))

    @property
    def journals(self) -> tuple[Journal, ...]:
        return self.marks.journal, self.answers, self.told

    def add(self, record: Record) -> None:
        mirrored = record.kind == SHADOW
        if mirrored and not self.terms.shadow:
            return  # mirrored before the stage, written after it
        arm = CHALLENGER if mirrored or record.arm == "challenger" else CHAMPION
        self.clock += mirrored or not self.terms.shadow
        unit, slot, at = unit_number(record.unit), self.slot, microseconds(record.at)
        failed = record.error is not None
        self._count(REQUESTS, arm, slot)
        self.marks.add(ENTITIES, unit, arm, slot, at, flags=failed)
        if failed:
            self._count(FAILURES, arm, slot)
            self.marks.add(ERRORS, unit, arm, slot, at)
        if slot >= SLICES:  # the first request in each period after the plan: entities that begin to fail late are seen
            self.marks.add(AGAIN, unit, arm, slot, at, flags=failed)
        if mirrored:
            apart = self._kind.apart(record)
            if apart is not None:
                self.gap, self.gaps = self.gap + apart, self.gaps + 1
        else:
            self._measure(record, unit, arm, slot, at)

    def _measure(self, record: Record, unit: int, arm: int, slot: int, at: int) -> None:
        """Latency and score of an answer, against the champion's quantiles."""
        limits = self.terms.limits
        for name in QUANTILES:
            if record.latency_us > limits.get(name, inf):
                self.marks.add(name, unit, arm, slot, at)
        if record.error is not None or record.score is None:
            return
        if record.score < limits.get("score_low", -inf):
            self.marks.add("score_low", unit, arm, slot, at)
        if record.score > limits.get("score_high", inf):
            self.marks.add("score_high", unit, arm, slot, at)
        if self.terms.joined:
            self.answers.add(answer_row(record, unit, arm, self._kind.remembered(record), slot, at))

    def add_label(self, record: Record) -> None:
        """A label or a named outcome of some request: whose it is, all sources together know."""
        named = label_name_and_value(record, self._kind) if self.terms.joined else None
        if named is not None:
            self.told.add(label_row(record, self.told.place(named[0]), named[1], self.slot, microseconds(record.at)))

    def _count(self, stream: str, arm: int, slot: int) -> None:
        counts = self.counts.setdefault(stream, ([], []))[arm]
        if len(counts) <= slot:
            counts.extend([0] * (slot + 1 - len(counts)))
        counts[slot] += 1


@dataclass
class EvidenceAccumulator:
    """Everything that a source has learned from its log. `cursor`: bytes read of each of its segments."""

    since: int = 0  # generation of the rollout's first stage
    cursor: dict[str, int] = field(default_factory=dict)
    baseline: BaselineCounts = field(default_factory=BaselineCounts)
    stage: StageAccumulator | None = None
    problem: AnyKind = field(default_factory=Binary)  # as the spec states it

    @cached_property
    def _kind(self) -> Problem:
        return asked(self.problem)

    def begin(self, stage: StageAccumulator) -> None:
        """Start a stage. One that has begun stays."""
        if self.stage is None or self.stage.terms.generation < stage.terms.generation:
            self.stage = stage

    def add(self, records: Iterable[Record]) -> None:
        for record in records:
            self._add(record)

    def _add(self, record: Record) -> None:
        if record.precomputed_version is not None and record.error is None:
            return  # its features were away, and a batch's score stood in: no version answered, and none failed
        if record.kind in (LABEL, OUTCOME):
            if record.kind == LABEL:
                self.baseline.add_label(record, self._kind)
            if self.stage is not None:
                self.stage.add_label(record)
            return
        if self.stage is not None and record.generation == self.stage.terms.generation:
            self.stage.add(record)
        if record.generation >= self.since and record.kind == PREDICTION and record.arm == "champion":
            self.baseline.add(record, self._kind)

    @property
    def journals(self) -> tuple[Journal, ...]:
        return (*self.baseline.journals, *(self.stage.journals if self.stage is not None else ()))

    def head(self) -> dict[str, Json]:
        """What is stored of it beside the rows of its journals."""
        stage, baseline = self.stage, self.baseline
        return {
            "cursor": self.cursor,
            "counts": dict(stage.counts) if stage else {},
            "gap": stage.gap if stage else 0.0,
            "gaps": stage.gaps if stage else 0,
            "baseline": {"requests": baseline.requests, "errors": baseline.errors, "labels": baseline.labels},
        }

    def go_on(self, head: Mapping[str, Any], terms: StageTerms | None, clock: int) -> None:
        """From what was published. `terms`: of the stage that its counts are of; None where that is over."""
        self.cursor = dict(head["cursor"])
        for name, count in head["baseline"].items():
            setattr(self.baseline, name, count)
        if terms is not None:
            counts = {name: (list(pair[0]), list(pair[1])) for name, pair in head["counts"].items()}
            self.stage = StageAccumulator(terms, clock, gap=head["gap"], gaps=head["gaps"], counts=counts)
