"""The judge's side of the evidence: a stage is begun, looked at, and what is settled is kept small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from include.core import fault
from include.core.control import ControlStore
from include.core.errors import ConflictError
from include.core.spec import ModelSpec
from include.rollout.alpha_spending import slice_of
from include.rollout.baseline import KEPT, LABELS, losses
from include.rollout.evidence_merge import Settled, StageMerge, merged_baseline
from include.rollout.evidence_store import (
    FORMER,
    delete_parts,
    is_live,
    lock_stage,
    read_settled,
    read_sources,
    set_judged,
    set_stage,
    write_settled,
)
from include.rollout.former import adopt_former
from include.rollout.history import Rollout, entered
from include.rollout.journal import ANSWERS, FULL, MARKS, PAST_ANSWERS, PAST_LABELS, Table, joined
from include.rollout.journal import LABELS as TOLD
from include.rollout.judge_plan import planned_requests
from include.rollout.pending import PENDING, join
from include.rollout.stage_terms import StageTerms, asked

PARTS = 64  # full parts that are settled at once: the row of what is settled is large

Part = tuple[str, str, int]
"""A part by its source, kind and number."""


@dataclass(frozen=True)
class Look:
    """What was published of a stage at one moment. `judged`: its slices before that one are past change."""

    merge: StageMerge
    judged: int
    seq: int  # of the row of what is settled

    @property
    def reported(self) -> bool:
        """Whether a gateway has taken up the stage."""
        return any(source.name != FORMER for source in self.merge.own)


def begin_stage(control: ControlStore, spec: ModelSpec, rollout: Rollout, stage: str) -> None:
    """Fix the terms under which every gateway counts a stage: its limits are the champion's quantiles as published by now.

    Once it has begun nothing changes. Any number may do it at once.
    """
    since_at, since = entered(control, rollout, rollout.stages[0].name)
    _, generation = entered(control, rollout, stage)
    with control.transaction() as connection:
        adopt_former(connection, rollout.id)
        known = lock_stage(connection, rollout.id, alone=True)
        if (known is not None and known.generation >= generation) or not is_live(connection, rollout.id, stage):
            return
        seq, settled = read_settled(connection, rollout.id, known.terms if known else None)
        baseline = merged_baseline(read_sources(connection, rollout.id), settled, spec.problem)
        labelled, step = baseline.labels >= LABELS, rollout.find(stage)
        requests = spec.rollout.shadow_requests if step.shadow else spec.rollout.step_requests
        terms = StageTerms(
            stage,
            generation,
            planned_requests(step.weight / 100, requests, rollout.champion is not None),
            step.shadow,
            baseline.limits(spec.evaluation.max_latency_ms * 1000, asked(spec.problem)),
            labelled,
            spec.serving.threshold,
            labelled or bool(spec.rollout.outcomes),
            baseline.requests,
            baseline.errors,
            problem=spec.problem,
            first_labels=labelled and spec.rollout.label_margin is not None,
            since=since,
            since_at=since_at,
        )
        if not set_stage(connection, rollout.id, terms):
            return
        write_settled(connection, rollout.id, seq, Settled(generation, losses=settled.losses))
        fault.point("evidence.stage.begun")


def look(control: ControlStore, rollout: str) -> Look:
    """Everything that is published of the stage that has begun. From here on its complete slices are past change."""
    with control.transaction() as connection:
        adopt_former(connection, rollout)
        stage = lock_stage(connection, rollout, alone=True)
        if stage is None:
            raise ConflictError(f"Rollout {rollout} has no stage to judge yet.", hint="enter a stage first.")
        seq, settled = read_settled(connection, rollout, stage.terms)
        merge = StageMerge(stage.terms, read_sources(connection, rollout), settled)
        judged = max(stage.judged, slice_of(merge.clock, stage.terms.planned))
        if judged > stage.judged:
            set_judged(connection, rollout, judged)
        fault.point("evidence.look.read")
    return Look(merge, judged, seq)


def settle(control: ControlStore, rollout: str, seen: Look) -> bool:
    """Keep what a look has found of past slices as counts and bitmaps, and drop the rows that nobody needs any more.

    False where that is not worth the write yet, or another look was faster.
    """
    gone = list(_past(seen))
    surplus = {kind: _surplus(seen, kind) for kind in (ANSWERS, TOLD, PAST_ANSWERS, PAST_LABELS)}
    if len(gone) < PARTS and not any(surplus.values()):
        return False
    settled = seen.merge.settle(seen.judged)
    settled = replace(settled, losses=[*settled.losses, *_losses(seen, surplus)][-KEPT:])
    with control.transaction() as connection:
        stage = lock_stage(connection, rollout, alone=True)
        if stage is None or stage.generation != settled.generation or not write_settled(connection, rollout, seen.seq, settled):
            return False
        delete_parts(connection, rollout, [*gone, *(part for parts in surplus.values() for part in parts)])
        fault.point("evidence.settle.written")
    return True


def _full(seen: Look, kind: str) -> Iterator[tuple[Part, Table]]:
    """The parts that are written no more. A source's last one stays, by which it knows its numbers."""
    for source in seen.merge.sources:
        parts = source.parts.get(kind, {})
        for number, table in parts.items():
            if number < max(parts) and len(table.rows) >= FULL:
                yield (source.name, kind, number), table


def _past(seen: Look) -> Iterator[Part]:
    """Parts of first events that all are in past slices."""
    return (part for part, table in _full(seen, MARKS) if table.rows["slice"].max() < seen.judged)


def _surplus(seen: Look, kind: str) -> list[Part]:
    """The oldest parts of answers or labels, where more are kept than need be; none of which the running slice has use."""
    total = sum(len(table.rows) for source in seen.merge.sources for table in source.tables(kind))
    if total <= 2 * PENDING:
        return []
    pairs = join(seen.merge.answers, seen.merge.told)
    running = seen.merge.answers.rows["id"][pairs.of_answer[pairs.slots >= seen.judged]]
    found = []
    for part, table in sorted(_full(seen, kind), key=lambda each: int(each[1].rows["at"].max())):
        if total - len(table.rows) < PENDING:
            break
        if kind in (PAST_ANSWERS, PAST_LABELS) or not np.isin(table.rows["id"], running).any():
            found.append(part)
            total -= len(table.rows)
    return found


def _losses(seen: Look, surplus: dict[str, list[Part]]) -> list[float]:
    """What the champion has lost, as far as an answer or a label of it is dropped now."""
    if not surplus[PAST_ANSWERS] and not surplus[PAST_LABELS]:
        return []
    (old, answers), (old_told, told) = (_parted(seen, kind, surplus[kind]) for kind in (PAST_ANSWERS, PAST_LABELS))
    problem = seen.merge.terms.kind()
    everything = joined(PAST_LABELS, [old_told, told])
    return [*losses(old, everything, problem), *losses(answers, old_told, problem)]


def _parted(seen: Look, kind: str, gone: list[Part]) -> tuple[Table, Table]:
    """The rows that go and those that stay."""
    found: tuple[list[Table], list[Table]] = ([], [])
    for source in seen.merge.sources:
        for number, table in source.parts.get(kind, {}).items():
            found[(source.name, kind, number) not in gone].append(table)
    return joined(kind, found[0]), joined(kind, found[1])
