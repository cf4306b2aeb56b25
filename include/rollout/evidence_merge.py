"""What all sources together have seen of a stage: the verdict's evidence, whoever saw which record.

Counts of requests are summed: each source counts its own log, and only ever more. Entities are merged by the first slice in
which any source saw them. Labels find their answers among those of all sources. What belongs to slices that are settled is kept
as counts and bitmaps, so what a stage holds stays small, and rows of those slices are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum, isnan
from typing import Any, Self

import numpy as np

from include.core.request import Json
from include.core.spec import AnyKind
from include.rollout.alpha_spending import OCTAVE, SLICES, Ints
from include.rollout.baseline import KEPT, Baseline, losses, newest
from include.rollout.entity_bitmap import EntityBitmap, places_of, width
from include.rollout.evidence import (
    AGAIN,
    AGAIN_ERRORS,
    ENTITIES,
    ERRORS,
    FIRST,
    LABELLED,
    REQUESTS,
    Count,
    Evidence,
    first_of,
)
from include.rollout.evidence_accumulator import Counts, EvidenceAccumulator, StageAccumulator
from include.rollout.first_marks import memory_of
from include.rollout.journal import (
    ANSWERS,
    DTYPES,
    LABELS,
    MARKS,
    PAST_ANSWERS,
    PAST_LABELS,
    SAMPLES,
    Journal,
    Rows,
    Table,
    joined,
)
from include.rollout.pending import LABEL_NAME, join
from include.rollout.stage_terms import StageTerms, asked

Parts = Mapping[str, Mapping[int, Table]]
"""By kind and number."""


@dataclass(frozen=True)
class SourceEvidence:
    """What one source has published. `counts`, `gap` and `gaps` are of the stage of that generation."""

    name: str = ""
    generation: int = 0
    clock: int = 0
    counts: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    gap: float = 0.0
    gaps: int = 0
    baseline: Mapping[str, int] = field(default_factory=dict)  # requests, errors, labels
    parts: Parts = field(default_factory=dict)

    def tables(self, kind: str) -> Iterable[Table]:
        return self.parts.get(kind, {}).values()

    @classmethod
    def of(cls, accumulator: EvidenceAccumulator) -> Self:
        """What an accumulator holds that has published nothing."""
        stage = accumulator.stage
        head: dict[str, Any] = accumulator.head()
        return cls(
            generation=stage.terms.generation if stage else 0,
            clock=stage.clock if stage else 0,
            counts=head["counts"],
            gap=head["gap"],
            gaps=head["gaps"],
            baseline=head["baseline"],
            parts=_held(accumulator.journals),
        )

    @classmethod
    def of_stage(cls, stage: StageAccumulator) -> Self:
        """The same of a stage alone."""
        return cls.of(EvidenceAccumulator(stage=stage))


def _held(journals: Iterable[Journal]) -> Parts:
    return {journal.kind: {journal.number: journal.table} for journal in journals}


@dataclass
class Settled:
    """What is past change. Of a stage: by stream the counts of slices before `upto`, and by map who was seen in them."""

    generation: int = 0
    upto: int = 0
    slices: Counts = field(default_factory=dict)
    seen: dict[str, EntityBitmap] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)  # of the champion, from labels that are kept no more

    def to_json(self) -> dict[str, Json]:
        seen = {name: bitmap.pack() for name, bitmap in self.seen.items()}
        return {**vars(self), "slices": dict(self.slices), "seen": seen}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], planned: int) -> Self:
        slices = {name: (list(pair[0]), list(pair[1])) for name, pair in value["slices"].items()}
        seen = {name: EntityBitmap.unpack(planned, text) for name, text in value["seen"].items()}
        return cls(value["generation"], value["upto"], slices, seen, list(value["losses"]))


@dataclass
class StageMerge:
    """The sources of one stage, merged."""

    terms: StageTerms
    sources: Sequence[SourceEvidence]
    settled: Settled = field(default_factory=Settled)

    def __post_init__(self) -> None:
        if self.settled.generation != self.terms.generation:  # it is of the stage before
            self.settled = Settled(self.terms.generation, losses=self.settled.losses)

    @property
    def own(self) -> list[SourceEvidence]:
        """The sources that have published something of this stage."""
        return [source for source in self.sources if source.generation == self.terms.generation]

    @property
    def clock(self) -> int:
        return sum(source.clock for source in self.own)

    @cached_property
    def answers(self) -> Table:
        return self._table(ANSWERS)

    @cached_property
    def told(self) -> Table:
        return self._table(LABELS)

    def _table(self, kind: str) -> Table:
        return joined(kind, (table for source in self.own for table in source.tables(kind)))

    @cached_property
    def firsts(self) -> dict[str, Rows]:
        """By map the first events of entities, of slices that are not settled."""
        table = joined(MARKS, [self._table(MARKS), self.label_marks])
        rows = table.rows[table.rows["slice"] >= self.settled.upto]
        slots = rows["slice"].astype(np.int64)
        again = table.names.index(AGAIN) if AGAIN in table.names else -1
        period = np.where((rows["name"] == again) & (slots >= SLICES), 1 + (slots - SLICES) // OCTAVE, 0)
        order = np.lexsort((rows["tag"], rows["at"], slots, rows["place"], period, rows["name"]))
        rows, period = rows[order], period[order]
        keys = [rows["name"], period, rows["place"]]
        new = np.ones(len(rows), bool)
        new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
        rows, period = rows[new], period[new]
        found: dict[str, Rows] = {}
        for place, name in enumerate(table.names):
            for number in np.unique(period[rows["name"] == place]):
                mine = rows[(rows["name"] == place) & (period == number)]
                memory = memory_of(name, int(mine["slice"][0]))
                known = self.settled.seen.get(memory)
                mine = mine[~known.has(mine["place"])] if known is not None else mine
                if len(mine):
                    found[memory] = mine
        return found

    @cached_property
    def label_marks(self) -> Table:
        """What labels and outcomes make of the answers that they found."""
        names: list[str] = []
        rows: list[tuple[int, int, int, int, int]] = []
        pairs, kind = join(self.answers, self.told), self.terms.kind()
        answers, told = self.answers.rows[pairs.of_answer], self.told.rows[pairs.of_label]
        places = places_of(answers["unit"], answers["arm"], width(self.terms.planned))

        def mark(stream: str, pair: int, flags: int = 0) -> None:
            if stream not in names:
                names.append(stream)
            tag = int(answers["arm"][pair]) | flags << 1
            rows.append((names.index(stream), int(places[pair]), int(pairs.slots[pair]), int(pairs.at[pair]), tag))

        for pair in np.flatnonzero(pairs.slots >= self.settled.upto).tolist():
            stream = self.told.names[told["name"][pair]]
            if stream != LABEL_NAME:
                mark(stream, pair)
                continue
            said = float(answers["said"][pair])
            if isnan(said):
                continue
            loss, flags = kind.loss_of(said, float(told["value"][pair])), 0
            for bit, event in enumerate(kind.events):
                if event.happened(loss, self.terms.limits):
                    mark(event.name, pair)
                    flags |= 1 << bit
            if self.terms.first_labels:
                mark(LABELLED, pair, flags)
        return Table(tuple(names), np.array(rows, DTYPES[MARKS]))

    def slices(self, before: int | None = None) -> dict[str, tuple[Ints, Ints]]:
        """By stream and arm the counts of the slices that are settled and of the others, or of those before one."""
        found = {name: (np.array(pair[0], np.int64), np.array(pair[1], np.int64)) for name, pair in self.settled.slices.items()}
        for memory, rows in self.firsts.items():
            rows = rows if before is None else rows[rows["slice"] < before]
            stream = AGAIN if memory.startswith(f"{AGAIN}:") else memory
            _count(found, stream, rows)
            for flag, derived in enumerate(self._derived(stream)):
                _count(found, derived, rows[rows["tag"] >> (flag + 1) & 1 == 1])
        return found

    def _derived(self, stream: str) -> Sequence[str]:
        """The streams of entities whose first event of that stream was something else, too, by the bits of the flags."""
        if stream == ENTITIES:
            return (FIRST,) if self.terms.first_known else ()
        if stream == AGAIN:
            return (AGAIN_ERRORS,)
        return [first_of(event.name) for event in self.terms.kind().events] if stream == LABELLED else ()

    def evidence(self) -> Evidence:
        found = self.slices()
        for source in self.own:
            for stream, pair in source.counts.items():
                _add(found, stream, [np.array(counts, np.int64) for counts in pair])
        if self.terms.first_known:
            found.setdefault(FIRST, (np.zeros(0, np.int64), np.zeros(0, np.int64)))
        streams = {name: (tuple(pair[0].tolist()), tuple(pair[1].tolist())) for name, pair in sorted(found.items())}
        counts = [Count(*(sum(streams.get(name, ((), ()))[arm]) for name in (REQUESTS, ENTITIES, ERRORS))) for arm in (0, 1)]
        gaps = sum(source.gaps for source in self.own)
        return Evidence(
            self.terms.stage,
            self.terms.generation,
            self.terms.planned,
            self.clock,
            counts[0],
            counts[1],
            Count(self.terms.before, 0, self.terms.before_errors),
            dict(self.terms.limits),
            streams,
            fsum(source.gap for source in self.own) / gaps if gaps else None,
        )

    def settle(self, upto: int) -> Settled:
        """What is settled, with the slices before `upto`: nothing may be added to them any more."""
        slices = {name: (pair[0].tolist(), pair[1].tolist()) for name, pair in self.slices(before=upto).items()}
        seen = {name: bitmap for name, bitmap in self.settled.seen.items() if not _over(name, upto)}
        for memory, rows in self.firsts.items():
            past = rows["place"][rows["slice"] < upto]
            if len(past) and not _over(memory, upto):
                bitmap = EntityBitmap(self.terms.planned)
                if memory in seen:
                    bitmap = EntityBitmap.unpack(self.terms.planned, seen[memory].pack())
                bitmap.add_places(past)
                seen[memory] = bitmap
        return Settled(self.terms.generation, upto, slices, seen, list(self.settled.losses))


def merged_baseline(sources: Sequence[SourceEvidence], settled: Settled, problem: AnyKind) -> Baseline:
    """The champion's answers since the rollout began, as far as they are published."""
    latencies, scores = newest(table for source in sources for table in source.tables(SAMPLES))
    answers, told = (
        joined(kind, (table for source in sources for table in source.tables(kind))) for kind in (PAST_ANSWERS, PAST_LABELS)
    )
    known = [*settled.losses, *losses(answers, told, asked(problem))][-KEPT:] if len(told.rows) else settled.losses
    counts = {name: sum(source.baseline.get(name, 0) for source in sources) for name in ("requests", "errors", "labels")}
    return Baseline(**counts, latencies=latencies, scores=scores, losses=known)


def _over(memory: str, upto: int) -> bool:
    """Whether a map is of a period that has no slice from `upto` on."""
    if not memory.startswith(f"{AGAIN}:"):
        return False
    return upto >= SLICES + OCTAVE * int(memory.rpartition(":")[2])


def _count(found: dict[str, tuple[Ints, Ints]], stream: str, rows: Rows) -> None:
    if len(rows):
        arms = rows["tag"] & 1
        _add(found, stream, [np.bincount(rows["slice"][arms == arm]) for arm in (0, 1)])


def _add(found: dict[str, tuple[Ints, Ints]], stream: str, counts: Sequence[Ints]) -> None:
    known = found.get(stream, (np.zeros(0, np.int64), np.zeros(0, np.int64)))
    champion, challenger = (_sum(pair) for pair in zip(known, counts, strict=True))
    found[stream] = champion, challenger


def _sum(counts: tuple[Ints, Ints]) -> Ints:
    total = np.zeros(max(map(len, counts)), np.int64)
    for each in counts:
        total[: len(each)] += each
    return total
