"""Plain binary rollouts from seeded records, and what each look at them found: the evidence, the verdict, the stored row.

`binary_rollouts.json` beside this file was written by the release before problems had kinds, which read the log of one machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from include.core.digest import digest_json
from include.core.spec import BusinessMetric, Data, Feature, Features, ModelSpec, Rollout, Training
from include.core.time import precise
from include.prediction_log.record import Record
from include.rollout.baseline import LABELS
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.evidence_merge import SourceEvidence, StageMerge
from include.rollout.judge import judge
from include.rollout.judge_plan import judge_plan, planned_requests
from include.rollout.plan import RolloutStage, rollout_stages
from include.rollout.stage_terms import StageTerms, asked
from include.routing.entity_hash import unit
from include.routing.route import Route
from tests.support.evidence import baseline_of

KNOWN = Path(__file__).with_name("binary_rollouts.json")
LOOKS = 3  # at each stage
START = datetime(2026, 1, 1, tzinfo=UTC)

SPEC = ModelSpec(
    name="toy", owner="tests", description="a toy", label="late", data=Data(sources=("things",), first=date(2020, 1, 1)),
    features=Features(build="x:a", entities="x:b", labels="x:c", views=(), request=(Feature(name="size"),)),
    expectations="x:d", training=Training(fit="x:e"),
    rollout=Rollout(
        steps=(20, 100), shadow_requests=60, step_requests=120, score_tolerance=2.0,
        outcomes=(BusinessMetric(name="complaint"), BusinessMetric(name="sale", worse="fewer", tolerated=1.5)),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """How the challenger differs: share of errors, of slow answers, of inverted scores, of labels that are against it."""

    errors: float = 0.0
    slow: float = 0.0
    inverted: float = 0.0
    wrong: float = 0.15
    requests: int = 900
    entities: int = 600


WORLDS = {
    "healthy": World(),
    "failing": World(errors=0.15),
    "slow": World(slow=0.5),
    "inverted": World(inverted=1.0),
    "wrong": World(wrong=0.6),
    "few entities": World(requests=1500, entities=25),
}


def records(world: World, generation: int, weight: int, seed: int, mirrored: bool = False) -> Iterator[Record]:
    """Requests with their labels, outcomes and, where `mirrored`, the shadow's answers; a record every ten seconds."""
    for number, record in enumerate(_records(world, generation, weight, seed, mirrored)):
        record.at = precise(START + timedelta(days=generation, seconds=10 * number))
        yield record


def _records(world: World, generation: int, weight: int, seed: int, mirrored: bool) -> Iterator[Record]:
    rng, route = np.random.default_rng(seed), Route(champion=1, challenger=2, weight=weight)
    for number in range(world.requests if generation > 1 else 400):
        key = unit(f"{seed}-{rng.integers(world.entities)}", "toy")
        arm = route.arm(key)
        own = arm == "challenger"
        score, latency = float(rng.beta(2, 3)), float(rng.exponential(4000.0))
        failed = rng.random() < 0.01 + (world.errors if own else 0.0)
        slow, inverted = rng.random() < world.slow, rng.random() < world.inverted
        wrong = rng.random() < (world.wrong if own else 0.15)
        id_ = f"{seed}-{number if number % 50 else number // 100}"  # some ids are asked about again
        shown = 1 - score if own and inverted else score
        answered = None if failed and number % 2 else shown
        yield Record(
            "prediction", id_, "", unit=f"{key:016x}", arm=arm, score=answered, generation=generation,
            latency_us=latency * (8 if own and slow else 1), error="boom" if failed else None,
        )  # fmt: skip
        if mirrored:
            said, broken = 1 - score if inverted else score * 0.97, rng.random() < world.errors
            yield Record(
                "shadow", id_, "", unit=f"{key:016x}", version=2, score=None if broken else said, against=answered,
                against_version=1, generation=generation, error="boom" if broken else None,
            )  # fmt: skip
        if rng.random() < 0.7:
            yield Record("label", id_, "", label=float((shown >= 0.5) != wrong))
        if rng.random() < 0.2:
            metric = "complaint" if number % 2 else "sale"
            yield Record("outcome", id_, "", label=float(wrong != (metric == "sale")), metric=metric)


def begun(accumulator: EvidenceAccumulator, step: RolloutStage, generation: int) -> None:
    rule = SPEC.rollout
    requests = rule.shadow_requests if step.shadow else rule.step_requests
    labelled = accumulator.baseline.labels >= LABELS
    planned = planned_requests(step.weight / 100, requests, True)
    before = baseline_of(accumulator)
    limits = before.limits(5000.0, asked(accumulator.problem))
    accumulator.begin(
        StageAccumulator(StageTerms(
            step.name, generation, planned, step.shadow, limits, labelled, SPEC.serving.threshold, True, before.requests,
            before.errors,
        ))
    )  # fmt: skip


def looks(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each look at each stage of a rollout: its name, and what was found."""
    accumulator = EvidenceAccumulator(since=1)
    accumulator.add(records(world, 1, 0, 11))
    for place, step in enumerate(rollout_stages(SPEC)[1:]):
        generation = place + 2
        begun(accumulator, step, generation)
        assert accumulator.stage is not None
        told = list(records(world, generation, step.weight, 20 + place, step.shadow))
        for look in range(LOOKS):
            accumulator.add(told[look * len(told) // LOOKS : (look + 1) * len(told) // LOOKS])
            yield f"{step.name} {look}", found(StageMerge(accumulator.stage.terms, [SourceEvidence.of(accumulator)]), step)


def found(merge: StageMerge, step: RolloutStage) -> dict[str, Any]:
    evidence = merge.evidence()
    plan = judge_plan(SPEC, step, 1, evidence.limits, merge.terms.labelled)
    seen = {"evidence": evidence.to_json(), "plan": plan.to_json(), "verdict": judge(evidence, plan).to_json()}
    plain: dict[str, Any] = json.loads(json.dumps(seen))
    return plain


WHOLE = "wrong: canary_20 1"  # the look whose evidence is kept whole; of the others the digest is


def kept(look: str, seen: dict[str, Any]) -> dict[str, Any]:
    """What the file holds of a look: its verdict, and evidence and plan whole or as a digest."""
    if look == WHOLE:
        return seen
    return {"verdict": seen["verdict"], **{name: digest_json(seen[name]) for name in ("evidence", "plan")}}
