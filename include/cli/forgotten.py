"""`slipstream forgotten [REQUEST]`: the requests to forget, and the proof of one. They name nobody."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.cli.exits import found
from include.core.table import table

if TYPE_CHECKING:
    from include.core.storage import Storage
    from include.forgetting.record import Record

SHAPES: Shapes = {
    "": {
        "requests": "of each `request`, `named`, `names` of its keys, `mode`, `reason`, `by`, `began`, `proofs`, "
        "`under_way`, and whether the newest was `complete`",
        "proof": "of one request: its newest proof; null of all",
        "intact": "whether the audit chain has the digest of each proof that there is",
    },
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request", nargs="?", help="its name: by default all are listed")


def run(options: argparse.Namespace) -> int:
    """FOUND where a proof is not the one that the audit chain has."""
    from include.forgetting.record import chained, named, records

    context = open_context()
    each = [named(context.storage, options.request)] if options.request else [*records(context.storage)]
    asked = [_asked(context.storage, one) for one in each]
    intact = all(chained(context.control, one) for one in each)
    proofs = each[0].proofs() if options.request else []
    proof = json.loads(context.storage.read(proofs[-1])) if proofs else None
    answer(options, {"requests": asked, "proof": proof, "intact": intact}, _words(asked, proof, intact=intact))
    return found(not intact)


def _asked(storage: Storage, one: Record) -> dict[str, Any]:
    request, proofs = one.request(), one.proofs()
    said = {name: request.get(name) for name in ("request", "named", "names", "mode", "reason", "by", "began")}
    complete = bool(proofs) and bool(json.loads(storage.read(proofs[-1])).get("complete"))
    return {**said, "proofs": len(proofs), "under_way": one.under_way, "complete": complete}


def _state(one: dict[str, Any]) -> str:
    if one["under_way"]:
        return "under way, or cut off: run it again"
    times = "once" if one["proofs"] == 1 else f"{one['proofs']} times"
    return f"done, {times}" if one["complete"] else "not complete: run it again"


def _words(asked: list[dict[str, Any]], proof: dict[str, Any] | None, *, intact: bool) -> Iterator[str]:
    head = ("request", "of", "keys", "mode", "by", "began", "")
    rows = [
        (one["request"], one["named"], ", ".join(one["names"]), one["mode"], one["by"], str(one["began"])[:19],
         _state(one))
        for one in asked
    ]  # fmt: skip
    yield table(head, rows) if rows else "Nobody was forgotten here yet."
    if proof is not None:
        yield json.dumps(proof, indent=2)
    if not intact:
        yield "A proof is not the one that the audit chain has: it was changed, or is another's."
