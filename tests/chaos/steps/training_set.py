"""Row: training set. Rows out are the labelled rows in; the same inputs give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.data.published import published
from operators.training import PlanTrainingOperator
from tests.chaos.protocol import (
    Backends,
    Backfill,
    Cell,
    Clear,
    Cut,
    Down,
    Finding,
    Full,
    Kill,
    Locked,
    Lose,
    Overlap,
    Pause,
    State,
    Variant,
)
from tests.chaos.steps.common import DAYS, PUBLISHED, Holdings, OperatorStep, compare, values
from tests.chaos.steps.validate import ANYWHERE, BEFORE, MIDDLE, RECORDED, S3, UNRECORDED
from tests.chaos.world import World
from tests.support.operator_runs import MODEL, Run, day
from tests.support.wired import BuildTrainingSetOperator
from tests.unit.operators.models.shop.orders import PER_DAY

POSTGRES = Backends(control="postgres")


class TrainingSet(OperatorStep):
    name = "training_set"
    title = "training set"
    promise = "rows out = labelled rows in; byte-identical however often it is made"
    base = PUBLISHED
    tasks = ("build_training_set",)
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(BEFORE)), Variant(Kill(BEFORE), S3)),
        "F2": (Variant(Kill(UNRECORDED)), Variant(Kill(UNRECORDED), S3)),
        "F3": (Variant(Kill(MIDDLE)),),
        "F4": (Variant(Kill(RECORDED)), Variant(Kill(RECORDED), S3)),
        "F5": (Variant(Cut("storage"), S3), Variant(Lose((*UNRECORDED, *RECORDED)))),
        "F6": (Variant(Full()), Variant(Full("store")), Variant(Full("scratch"))),
        "F7": (Variant(Pause(ANYWHERE)),),
        "F8": (Variant(Overlap(ANYWHERE)),),
        "F9": (Variant(Clear()), Variant(Backfill()), Variant(Clear(), POSTGRES), Variant(Backfill(), POSTGRES)),
        "F10": (Variant(Down("storage"), S3), Variant(Down("control"), POSTGRES), Variant(Locked())),
    }

    def operator(self, task: str) -> Any:
        return BuildTrainingSetOperator(task_id=task, model=MODEL)

    def prepare(self, world: World) -> dict[str, Any]:
        run = Run()
        run(PlanTrainingOperator(task_id="plan", model=MODEL))
        return {"xcom": run.xcom}

    def backfill(self, world: World, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """A walk-forward backfill: as of this moment, and as of a day earlier."""
        earlier = {**run["xcom"]["plan"], "as_of": f"{day(DAYS)}T00:00:00"}
        plans = (earlier, run["xcom"]["plan"])
        return [
            {**run, "run_id": f"backfill__{n}", "run_type": "backfill", "xcom": {"plan": plan}} for n, plan in enumerate(plans)
        ]

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        made = [result for path, result in holdings.results().items() if path.startswith("ledger/training_set/")]
        first, last = day(1), day(DAYS)
        days = len(published(holdings.services.control, MODEL, first, last))
        return {
            **holdings.state(),
            "rows": sorted([result.value["rows"], len(result.files)] for result in made),
            "files": sorted(file.digest for result in made for file in result.files.values()),
            "rows in": days * PER_DAY,
            "returned": values(runs),
        }

    def check(self, twin: State, seen: State) -> list[Finding]:
        findings = compare(twin, seen)
        rows = max((rows for rows, _ in seen["rows"]), default=0)
        if rows != seen["rows in"]:
            findings.append(Finding("lost" if rows < seen["rows in"] else "doubled", f"{rows} rows of {seen['rows in']}"))
        return findings


STEP = TrainingSet()
