"""Row: search. No finished trial is run again, none is lost, and what was decided and found is the twin's, bit for bit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from include.core.request import Request
from include.services.services import Services
from operators.training import TuneModelOperator
from tests.chaos.models.searched.shop.spec import ASHA
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
from tests.chaos.steps.common import PUBLISHED, Holdings, OperatorStep, compare, snapshot, values
from tests.chaos.world import World
from tests.support.operator_runs import MODEL
from tests.support.wired import wired

EVERY = 2  # steps between two checkpoints of a trial
BEFORE = ("ledger.attempt.opened", "task.begin", "search.decide")
MIDDLE = ("storage.write.temporary",)
UNRECORDED = ("train.step", "checkpoint.save", "search.find")
RECORDED = (
    "search.decided", "search.found", "storage.write.renamed", "checkpoint.saved", "task.computed", "ledger.commit.recorded",
    "compute.delivered",
)  # fmt: skip
ANYWHERE = (*BEFORE, *MIDDLE, *UNRECORDED, *RECORDED)
S3 = Backends(storage="s3")


class ByHalving(TuneModelOperator):
    """The same space by TPE with successive halving."""

    def build(self, context: Any, services: Services) -> Request:
        from include.training.request import tune_request

        spec = services.spec(self.model)
        training = spec.training.model_copy(update={"search": ASHA})
        return tune_request(spec.model_copy(update={"training": training}), self.ref("training_set", services))


KINDS = {"tune": TuneModelOperator, "tune_by_halving": ByHalving}


class SearchStep(OperatorStep):
    name = "search"
    title = "search for parameters"
    promise = "no trial lost, none run again once it was measured; every decision and finding the twin's"
    models = "tests.chaos.models.searched"
    base = PUBLISHED
    tasks = tuple(KINDS)
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(BEFORE)),),
        "F2": (Variant(Kill(UNRECORDED)),),
        "F3": (Variant(Kill(MIDDLE)),),
        "F4": (Variant(Kill(RECORDED)),),
        "F5": (
            Variant(Lose(("search.found", "search.decided", "checkpoint.saved", "ledger.commit.recorded"))),
            Variant(Cut("storage"), S3),
        ),
        "F6": (Variant(Full()), Variant(Full("store")), Variant(Full("scratch"))),
        "F7": (Variant(Pause(ANYWHERE)),),
        "F8": (Variant(Overlap(ANYWHERE)),),
        "F9": (Variant(Clear()), Variant(Backfill())),
        "F10": (Variant(Down("storage"), S3),),
    }

    def operator(self, task: str) -> Any:
        made = wired(KINDS[task], training_set="build_training_set")
        return made(task_id=task, model=MODEL, where="process", enabled=True)

    def prepare(self, world: World) -> dict[str, Any]:
        return {"xcom": snapshot().xcom}

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        """`steps` and `measured`: how often a batch was trained on, and a trial measured, by process in the order they began."""
        holdings = Holdings()
        passed = [line.split() for line in (world.scratch / "passed").read_text().splitlines()]
        counted = {
            name: list(Counter(process for at, process in passed if at == point).values())
            for name, point in (("steps", "train.step"), ("measured", "search.find"))
        }
        return {
            **holdings.state(),
            "returned": values(runs),
            "records": sorted(_records(holdings)),
            "processes": len({process for _, process in passed}),
            **counted,
            "overlapped": (world.scratch / "overlapped").exists(),
        }

    def check(self, twin: State, seen: State) -> list[Finding]:
        aside = {"steps": [], "measured": [], "processes": 0, "overlapped": False}
        findings = compare({**twin, **aside}, {**seen, **aside})
        if seen["overlapped"]:  # the orphan of an overlap works for itself
            return findings
        deaths = max(seen["processes"] - twin["processes"], 1)
        redone = sum(seen["steps"]) - sum(twin["steps"])
        if redone > EVERY * deaths:
            findings.append(Finding("doubled", f"{redone} steps redone by {deaths} resumes, {EVERY} are one interval"))
        again = sum(seen["measured"]) - sum(twin["measured"])
        if again > deaths:
            findings.append(Finding("doubled", f"{again} trials measured again by {deaths} resumes"))
        return findings


def _records(holdings: Holdings) -> list[str]:
    """Every decision and finding, without the seconds that it took."""
    found = []
    for path in holdings.paths:
        if "/search/decisions/" in path or "/search/found/" in path:
            body = json.loads(holdings.services.storage.read(path).partition(b"\n")[2])
            body.pop("seconds", None)
            found.append(f"{path} {json.dumps(body, sort_keys=True)}")
    return found


STEP = SearchStep()
