"""Whole stages as log records through the shipped accumulator and judge."""

from __future__ import annotations

import numpy as np

from include.prediction_log.record import Record
from include.rollout.alpha_spending import SLICES, first_crossings, slice_of
from include.rollout.evidence import CHALLENGER, ERRORS, Evidence
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.evidence_merge import SourceEvidence, StageMerge
from include.rollout.judge import judge
from include.rollout.judge_plan import JudgePlan
from include.rollout.stage_terms import StageTerms

PLAN = JudgePlan("canary_5", share=0.05, requests=100, alpha=0.05, compared=True)


def asked_after_every_request(stages: int) -> tuple[int, int]:
    """Stages on which the judge's first rollback fell into the very slice the boundary says, and rollbacks."""
    rng = np.random.default_rng(3)
    same = rolled = 0
    for number in range(stages):
        at, evidence = _first_rollback(rng, 0.1 if number % 2 else 0.0)
        arms = evidence.arms(ERRORS, SLICES)
        trials, hits = np.sum(arms, axis=0), arms[CHALLENGER]
        expected = int(first_crossings(PLAN.share, PLAN.alpha, trials[None, :], hits[None, :])[0])
        same += at == expected
        rolled += at >= 0
    return same, rolled


def _first_rollback(rng: np.random.Generator, bad: float) -> tuple[int, Evidence]:
    """(slice, evidence) of one stage; the slice is -1 without a rollback."""
    accumulator = EvidenceAccumulator(since=1)
    accumulator.begin(StageAccumulator(StageTerms(PLAN.stage, 1, PLAN.planned, False, {}, False, 0.5, False)))
    assert accumulator.stage is not None
    at = -1
    for number in range(PLAN.planned):
        canary = rng.random() < PLAN.share
        failed = rng.random() < 0.02 + (bad if canary else 0.0)
        unit = f"{rng.integers(1 << 62):016x}"
        arm = "challenger" if canary else "champion"
        accumulator.add(
            [Record("prediction", str(number), "", unit=unit, arm=arm, score=0.5, generation=1, error="x" if failed else None)]
        )
        complete = slice_of(number + 1, PLAN.planned)
        if complete * PLAN.planned // SLICES != number + 1 and number + 1 < PLAN.planned:
            continue  # no slice has just ended: nothing is new
        evidence = StageMerge(accumulator.stage.terms, [SourceEvidence.of_stage(accumulator.stage)]).evidence()
        if at < 0 and judge(evidence, PLAN).answer == "roll_back":
            at = evidence.complete - 1
    return at, evidence
