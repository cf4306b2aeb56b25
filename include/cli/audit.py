"""`slipstream audit verify|seal|accept`: whether anybody edited history. Rows are checked one by one, and against the seals."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import found
from include.core.errors import DataError
from include.governance.audit_chain import Verdict, to_json, verify
from include.governance.seals import Seal, accept, write_seal

VERBS = {
    "verify": "check every row and every seal; nothing is written",
    "seal": "verify, then copy the newest row's hash to the storage root",
    "accept": "seal what was found, with the reason: it is reported from then on, and no alarm",
}

_CHAIN = {
    "rows": "rows of the table", "seals": "seals of the storage root", "sealed": "the newest row that a seal holds",
    "sealed_at": "when", "unsealed": "rows since", "intact": "whether all is as it was written",
    "findings": "what is not: `id`, `what` ...", "accepted": "findings that a person has accepted, with `by` and `reason`",
}  # fmt: skip
_SEAL = {"seal": "the seal that was written (`number`, `seq`, `hash`, `at` ...); null where nothing was to be sealed"}
SHAPES: Shapes = {"verify": _CHAIN, "seal": {**_CHAIN, **_SEAL}, "accept": {**_CHAIN, **_SEAL}}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=VERBS, help="; ".join(f"{verb}: {words}" for verb, words in VERBS.items()))
    parser.add_argument("--reason", default="", help="accept: why the rows are not as they were written")


def run(options: argparse.Namespace) -> int:
    """FOUND if anything is not as it was written."""
    context = open_context()
    verdict = verify(context.control, context.ledger.storage)
    if options.verb == "accept":
        _answer_sealed(options, context, _accept(context, verdict, options.reason))
        return 0
    if options.verb == "verify" and options.json:
        answer(options, to_json(verdict))
        return found(not verdict.intact)
    _print_accepted(verdict)
    verdict.raise_if_broken()
    print(verdict.words)
    if options.verb == "seal":
        seal = write_seal(context.control, context.ledger.storage, actor=context.actor)
        print(f"Seal {seal.number} is of row {seal.seq}." if seal else "Nothing was added since the newest seal.")
        _answer_sealed(options, context, seal)
    return 0


def _answer_sealed(options: argparse.Namespace, context: CliContext, seal: Seal | None) -> None:
    if options.json:
        answer(options, {**to_json(verify(context.control, context.ledger.storage)), "seal": seal})


def _accept(context: CliContext, verdict: Verdict, reason: str) -> Seal | None:
    if verdict.intact:
        print(f"There is nothing to accept: {verdict.words}")
        return None
    if len(reason.strip()) < 3:
        raise DataError(
            "Accepting a broken chain needs its reason.",
            safe="nothing was changed.",
            hint='slipstream audit accept --reason "the store was restored from the backup of 2013-05-01"',
        )
    ids = [each.id for each in verdict.findings]
    seal = accept(context.control, context.ledger.storage, ids, actor=context.actor, reason=reason)
    print(f"Seal {seal.number} of row {seal.seq} accepts {', '.join(ids)}: {reason}")
    return seal


def _print_accepted(verdict: Verdict) -> None:
    for finding, seal in verdict.accepted:
        print(f"accepted by {seal.actor} on {seal.at[:10]} ({seal.reason}): {finding.id}: {finding.what}")
