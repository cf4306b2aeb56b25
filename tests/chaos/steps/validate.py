"""Row: validate. One verdict a batch, bound to the digests of the data it judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from operators.validation import ValidateDataOperator
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
    Lose,
    Overlap,
    Pause,
    State,
    Variant,
)
from tests.chaos.steps.common import Holdings, OperatorStep, compare, life, values
from tests.chaos.world import World
from tests.support.operator_runs import MODEL, day
from tests.unit.operators.models.shop.orders import PER_DAY  # fmt: skip

BEFORE = ("ledger.attempt.open", "ledger.attempt.opened", "task.begin")
MIDDLE = ("task.computed", "storage.upload.temporary", "storage.upload.renamed", "storage.create.temporary")
UNRECORDED = ("ledger.commit.stored",)
RECORDED = ("ledger.commit.recorded", "compute.deliver", "compute.delivered")
ANYWHERE = (*BEFORE, *MIDDLE, *UNRECORDED, *RECORDED)
S3 = Backends(storage="s3")


class Validate(OperatorStep):
    name = "validate"
    title = "validate"
    promise = "one verdict a batch, bound to the digests of the data; bad rows set aside once"
    tasks = ("validate",)
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(BEFORE)), Variant(Kill(BEFORE[:2]), S3)),
        "F2": (Variant(Kill(UNRECORDED)), Variant(Kill(UNRECORDED), S3)),
        "F3": (Variant(Kill(MIDDLE)),),
        "F4": (Variant(Kill(RECORDED)), Variant(Kill(RECORDED), S3)),
        "F5": (Variant(Cut("storage"), S3), Variant(Lose((*UNRECORDED, *RECORDED)))),
        "F6": (Variant(Full()), Variant(Full("store")), Variant(Full("scratch"))),
        "F7": (Variant(Pause(ANYWHERE)),),
        "F8": (Variant(Overlap(ANYWHERE)),),
        "F9": (Variant(Clear()), Variant(Backfill())),
        "F10": (Variant(Down("storage"), S3),),
    }

    def operator(self, task: str) -> Any:
        return ValidateDataOperator(task_id=task, model=MODEL)

    def prepare(self, world: World) -> dict[str, Any]:
        shop = life()
        shop.land(day(1), orders={"price": [-1.0, *[1.0] * (PER_DAY - 1)]})
        shop.services.control.create_tables()  # the world has a control store, though this step does not ask it
        return {"params": {"day": day(1).isoformat()}}

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        verdicts = [
            {"day": result.value["day"], "data": dict(holdings.services.ledger.request(result.key).params["sources"]),
             "quarantined": {name: one["quarantined"] for name, one in result.value["sources"].items()}}
            for result in holdings.results().values()
        ]  # fmt: skip
        return {**holdings.state(), "verdicts": verdicts, "returned": values(runs)}

    def check(self, twin: State, seen: State) -> list[Finding]:
        findings = compare(twin, seen)
        if len(seen["verdicts"]) > 1:
            findings.append(Finding("doubled", f"{len(seen['verdicts'])} verdicts for one batch"))
        return findings


STEP = Validate()
