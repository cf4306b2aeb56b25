"""Row: a subject is forgotten, by the command as a person gives it. Nothing of it is anywhere, what is others' is as it was."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from include.core.errors import ConflictError, TransientError
from tests.chaos.protocol import (
    Backends,
    Backfill,
    Call,
    Cell,
    Clear,
    Cut,
    Deferred,
    Done,
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
from tests.chaos.steps.common import Holdings, OperatorStep, compare
from tests.chaos.world import World
from tests.support.fault_points import in_sources
from tests.support.subject_world import MODEL, OTHERS, TOLD, WHO, SubjectWorld

OURS = tuple(sorted(name for name in in_sources() if name.startswith("forget.") and name != "forget.mlflow.written"))
BEFORE = ("forget.begun", "forget.found", "ledger.attempt.opened", "control.taken", "control.once.begin")
# What is left is stored, and nothing says so yet; or rows have gone, and nothing counts them yet.
UNRECORDED = (
    "forget.raw.marked", "forget.pushed.created", "forget.result.opened", "forget.result.committed", "ledger.commit.stored",
    "forget.online", "forget.wished", "forget.answer.gone", "forget.rows", "forget.registry.written", "forget.purged",
)  # fmt: skip
MIDDLE = (
    "storage.upload.temporary", "storage.create.temporary", "storage.write.temporary", "storage.create.linked",
    "control.once.effect", "forget.result.gone", "forget.result.file",
)  # fmt: skip
RECORDED = (
    "forget.raw.written", "forget.result.marked", "forget.results", "forget.published", "forget.scores", "scores.recorded",
    "forget.predictions", "forget.pending", "forget.chained", "forget.proven", "control.once.committed",
)  # fmt: skip
OUTSIDE = tuple({*OURS, "ledger.commit.stored", "storage.create.temporary"})
POSTGRES, REDIS = Backends(control="postgres"), Backends(online="redis")
BOTH = Backends(control="postgres", online="redis")
ONCE = re.compile(r"forget/([0-9a-f]{16})/.*")  # an effect's key: whose digests hold the time
COUNTS = ("online", "predictions", "answers", "events", "registry", "control_rows", "superseded")


class AtWork(TransientError):
    """Another one is at work: a person tries again later."""


class Forget(OperatorStep):
    name = "forget"
    title = "forget a subject"
    promise = (
        "no value of the subject is in any file, store or log; what is others' is as it was, byte for byte; one row of the audit "
        "chain says that it began, one that it is done, with one proof, for each time that it was carried out"
    )
    tasks = ("forget",)
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(BEFORE)), Variant(Kill(BEFORE), BOTH)),
        "F2": (Variant(Kill(UNRECORDED)), Variant(Kill(UNRECORDED), BOTH)),
        "F3": (Variant(Kill(MIDDLE)), Variant(Kill(MIDDLE), BOTH)),
        "F4": (Variant(Kill(RECORDED)), Variant(Kill(RECORDED), BOTH)),
        "F5": (Variant(Cut("control"), POSTGRES), Variant(Cut("online"), REDIS), Variant(Lose((*UNRECORDED, *RECORDED)))),
        "F6": (Variant(Full()), Variant(Full("store"))),
        "F7": (Variant(Pause(OUTSIDE)), Variant(Pause(OUTSIDE), BOTH)),
        "F8": (Variant(Overlap(OUTSIDE)), Variant(Overlap(OUTSIDE), BOTH)),
        "F9": (Variant(Clear()), Variant(Backfill()), Variant(Clear(), BOTH), Variant(Backfill(), BOTH)),
        "F10": (Variant(Down("online"), REDIS), Variant(Down("control"), POSTGRES), Variant(Locked())),
    }

    def prepare(self, world: World) -> dict[str, Any]:
        lived(world).live()
        return {}

    def run(self, world: World, call: Call) -> Done | Deferred:
        """`slipstream forget` until it is done: refused beside another one, or not complete, a person gives it again."""
        from include.cli import forget
        from include.core.scratch import mark

        parser = argparse.ArgumentParser()
        forget.configure(parser)
        asked = [MODEL, "--entity", f"customer={WHO}", "--yes", "--reason", "ticket 4711"]
        options = parser.parse_args(asked)
        options.json = True
        try:
            found = forget.run(options)
        except ConflictError as error:
            raise AtWork(error.what, safe=error.safe, hint=error.hint) from error
        if found:
            raise AtWork("It was not complete.", hint="give it again.")
        (world.scratch / f"forgotten-{mark()}").touch()
        return Done(None)

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        kept, times = lived(world), len(list(world.scratch.glob("forgotten-*")))
        state, (request,) = Holdings().state(), kept_requests(kept)
        control = {name: value for name, value in state["control"].items() if name != "effects"}
        rows = [row[0] for row in control["audit"]]
        control["audit"] = [row for row in control["audit"] if not row[0].startswith("forget.")]
        return {
            **state,
            "control": control,
            "effects": sorted({ONCE.sub(r"forget/\1", key) for key in state["control"]["effects"]}),
            "rows of the audit chain beside one each": [rows.count(name) - times for name in ("forget.begin", "forget.done")],
            "proofs beside one each": len(request["proofs"]) - times,
            "proof": said(request["proofs"][-1]),
            "counts": {name: request["proofs"][0][name] for name in COUNTS},
            "request": {name: request[name] for name in ("chained", "under_way")},
            "values": places_of(kept, world),
            "files": others(kept),
            "log": [[each.kind, each.id, each.entity, each.score] for each in records(kept)],
            "online": online(kept),
        }

    def check(self, twin: State, seen: State) -> list[Finding]:
        """What an attempt took out of a store and was killed before it could write down is in no count: of these none is more."""
        findings = compare({**twin, "counts": {}}, {**seen, "counts": {}})
        for name, count in seen["counts"].items():
            if _sum(count) > _sum(twin["counts"][name]):
                findings.append(Finding("doubled", f"counted {name}: {count} instead of {twin['counts'][name]}"))
        if found := seen["values"]:
            findings.append(Finding("lost", f"it was not forgotten in {found[:5]}"))
        return findings


def _sum(count: int | dict[str, int]) -> int:
    return sum(count.values()) if isinstance(count, dict) else count


def lived(world: World) -> SubjectWorld:
    """The life in this child's world."""
    return SubjectWorld(world.home, environ=dict(os.environ))


def kept_requests(kept: SubjectWorld) -> list[dict[str, Any]]:
    """Each request, its proofs in their order, and whether the audit chain has them."""
    from include.forgetting.record import chained, records

    return [
        {
            "proofs": [json.loads(kept.storage.read(path)) for path in each.proofs()],
            "chained": chained(kept.control, each),
            "under_way": each.under_way,
        }
        for each in records(kept.storage)
    ]


def said(proof: dict[str, Any]) -> dict[str, Any]:
    """What a proof says of what was done, without when and by how many attempts."""
    marks = {
        name: sorted([each["path"], each["before"], each["after"], each["rows"]] for each in proof[name])
        for name in ("files", "results")
    }
    names = ("owners", "keys", "mode", "reason", "complete", "rows", "published", "scores", "learned", "unread", "left")
    return {**marks, **{name: proof[name] for name in names}}


def places_of(kept: SubjectWorld, world: World) -> list[str]:
    """Wherever one of the subject's values still is."""
    from include.forgetting.search import Wanted, in_control, in_folder, in_online, in_storage

    wanted = Wanted.of(TOLD)
    carried = {"redis.json": world.on.online == "redis", "control.db": world.on.control == "postgres"}
    for name in (name for name, is_there in carried.items() if is_there):
        (world.home / name).unlink(missing_ok=True)  # in which the harness has brought the stores' rows here
    found = [
        *in_storage(kept.storage, wanted, world.scratch / "search"),
        *in_folder(world.home, wanted),  # the root is in it, with its temporary files
        *in_control(kept.control, wanted),
        *in_online(kept.store, [MODEL], [WHO]),
    ]
    if world.on.online == "redis":
        import redis

        client = redis.Redis.from_url(world.online_url())
        held = [(key, client.get(key) or b"") for key in client.scan_iter() if client.type(key) == b"string"]
        return [str(asdict(hit)) for hit in found] + [str(key) for key, value in held if wanted.in_bytes(key + b" " + value)]
    return [str(asdict(hit)) for hit in found]


def others(kept: SubjectWorld) -> dict[str, Any]:
    """The digests of all files but the ledger's, whose results are compared, and those that hold times: their names."""
    whole = kept.files("raw", "pushed", "scores", "asynchronous", "quarantine", "registry", "features")
    return {**whole, "marks": sorted(kept.storage.list("forgotten"))}


def records(kept: SubjectWorld) -> list[Any]:
    from include.prediction_log.reader import read_records

    return list(read_records(kept.log, MODEL))


def online(kept: SubjectWorld) -> dict[str, Any]:
    (view,) = kept.spec.features.views
    return {name: kept.store.read(MODEL, view, [(name,)]) for name in (WHO, *OTHERS)}


STEP = Forget()
