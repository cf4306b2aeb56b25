"""Evidence of a log that was split over any number of gateways is the evidence of one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from include.prediction_log.record import LABEL, OUTCOME, Record
from include.rollout.evidence import AGAIN, LABELLED, Evidence, first_of
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.evidence_merge import Settled, SourceEvidence, StageMerge
from include.rollout.journal import Table
from include.rollout.stage_terms import StageTerms
from tests.support.effort import effort
from tests.support.split_logs import CANARY, MIRROR, SingleReader, told

Read = list[tuple[Record, int]]
"""Records, each with the slice that it was read in."""


def read(seed: int, terms: StageTerms, requests: int, entities: int) -> tuple[Read, Evidence]:
    """A log as one reader reads it: the slices of its records, and what it found."""
    reader = SingleReader(terms)
    records = list(told(np.random.default_rng(seed), terms, requests, entities))
    return [(record, reader.read(record)) for record in records], reader.evidence()


def source(terms: StageTerms, records: Read) -> SourceEvidence:
    """What a gateway makes of its part of the log."""
    stage = StageAccumulator(terms)
    for record, slot in records:
        stage.judged = slot  # the others' requests have brought the stage so far
        if record.kind in (LABEL, OUTCOME):
            stage.add_label(record)
        else:
            stage.add(record)
    return SourceEvidence.of_stage(stage)


def split(rng: np.random.Generator, whole: Read, gateways: int) -> list[Read]:
    """At random, and each part in any order within a slice."""
    parts: list[Read] = [[] for _ in range(gateways)]
    for each in whole:
        parts[int(rng.integers(gateways))].append(each)
    return [sorted((part[at] for at in rng.permutation(len(part))), key=lambda each: each[1]) for part in parts]


def alike(found: Evidence, expected: Evidence) -> None:
    """The same, but for the rounding of a sum of distances."""
    if expected.difference is not None:
        assert found.difference is not None
        assert math.isclose(found.difference, expected.difference, rel_tol=1e-12)
    assert replace(found, difference=None) == replace(expected, difference=None)


CASES = [
    pytest.param(terms, requests, entities, id=f"{terms.stage}-{requests}-{entities}")
    for terms in (CANARY, MIRROR)
    for requests, entities in ((40, 300), (150, 12), (400, 60))
]


@pytest.mark.parametrize(("terms", "requests", "entities"), CASES)
def test_any_split_is_what_the_one_reader_found(terms: StageTerms, requests: int, entities: int) -> None:
    for seed in range(effort(3, 60)):
        rng = np.random.default_rng([seed, 1])
        whole, expected = read(seed, terms, requests, entities)
        parts = split(rng, whole, int(rng.integers(1, 9)))
        sources = [source(terms, part) for part in parts]
        merged = StageMerge(terms, [sources[at] for at in rng.permutation(len(sources))])
        alike(merged.evidence(), expected)


def test_the_case_has_what_it_is_to_show() -> None:
    """Periods after the plan, first labels, outcomes, and ids that are contested after they were labelled."""
    whole, expected = read(1, CANARY, 400, 60)
    assert {AGAIN, LABELLED, first_of("loss_p90"), "outcome:sale", "latency_p99"} <= set(expected.slices)
    units: dict[str, set[str]] = {}
    for record, _ in whole:
        if record.kind == "prediction":
            units.setdefault(record.id, set()).add(record.unit)
    assert sum(len(each) > 1 for each in units.values()) > 20


def test_rows_that_are_read_twice_count_once() -> None:
    whole, expected = read(5, CANARY, 200, 40)
    one = source(CANARY, whole)
    doubled = {kind: {**parts, 99: next(iter(parts.values()))} for kind, parts in one.parts.items()}
    alike(StageMerge(CANARY, [replace(one, parts=doubled)]).evidence(), expected)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_settled_at_any_moments_changes_nothing(seed: int) -> None:
    """And what belongs to settled slices need not be kept."""
    rng = np.random.default_rng([seed, 2])
    whole, expected = read(seed, CANARY, 400, 60)
    sources, settled = [source(CANARY, part) for part in split(rng, whole, 3)], Settled()
    for upto in sorted(rng.integers(1, whole[-1][1], 4).tolist()):
        settled = Settled.from_json(StageMerge(CANARY, sources, settled).settle(upto).to_json(), CANARY.planned)
        alike(StageMerge(CANARY, sources, settled).evidence(), expected)
        alike(StageMerge(CANARY, [without_marks(each, upto) for each in sources], settled).evidence(), expected)


def without_marks(whole: SourceEvidence, before: int) -> SourceEvidence:
    tables = {
        number: Table(table.names, table.rows[table.rows["slice"] >= before]) for number, table in whole.parts["marks"].items()
    }
    return replace(whole, parts={**whole.parts, "marks": tables})


def test_a_source_of_the_stage_before_counts_for_nothing() -> None:
    whole, expected = read(2, CANARY, 60, 20)
    old = replace(source(CANARY, whole), generation=CANARY.generation - 1)
    alike(StageMerge(CANARY, [old, source(CANARY, whole)]).evidence(), expected)


def test_an_accumulator_counts_the_champion_whatever_the_stage() -> None:
    accumulator = EvidenceAccumulator(since=1, problem=CANARY.problem)
    accumulator.add(record for record, _ in read(3, CANARY, 60, 20)[0])
    assert accumulator.stage is None
    assert accumulator.baseline.requests > 30
