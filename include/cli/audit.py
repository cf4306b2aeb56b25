"""`slipstream audit verify|seal|accept`: whether anybody edited history. Rows are checked one by one, and against the seals."""

from __future__ import annotations

import argparse
import json

from include.cli.context import CliContext, open_context
from include.core.errors import DataError
from include.governance.audit_chain import Verdict, to_json, verify
from include.governance.seals import accept, write_seal

VERBS = {
    "verify": "check every row and every seal; nothing is written",
    "seal": "verify, then copy the newest row's hash to the storage root",
    "accept": "seal what was found, with the reason: it is reported from then on, and no alarm",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=VERBS, help="; ".join(f"{verb}: {words}" for verb, words in VERBS.items()))
    parser.add_argument("--reason", default="", help="accept: why the rows are not as they were written")


def run(options: argparse.Namespace) -> int:
    """1 if anything is not as it was written."""
    context = open_context()
    verdict = verify(context.control, context.ledger.storage)
    if options.verb == "accept":
        return _accept(context, verdict, options.reason)
    if options.json:
        print(json.dumps(to_json(verdict), indent=2))
        return 0 if verdict.intact else 1
    _print_accepted(verdict)
    verdict.raise_if_broken()
    print(verdict.words)
    if options.verb == "seal":
        seal = write_seal(context.control, context.ledger.storage, actor=context.actor)
        print(f"Seal {seal.number} is of row {seal.seq}." if seal else "Nothing was added since the newest seal.")
    return 0


def _accept(context: CliContext, verdict: Verdict, reason: str) -> int:
    if verdict.intact:
        print(f"There is nothing to accept: {verdict.words}")
        return 0
    if len(reason.strip()) < 3:
        raise DataError(
            "Accepting a broken chain needs its reason.",
            safe="nothing was changed.",
            hint='slipstream audit accept --reason "the store was restored from the backup of 2013-05-01"',
        )
    ids = [each.id for each in verdict.findings]
    seal = accept(context.control, context.ledger.storage, ids, actor=context.actor, reason=reason)
    print(f"Seal {seal.number} of row {seal.seq} accepts {', '.join(ids)}: {reason}")
    return 0


def _print_accepted(verdict: Verdict) -> None:
    for found, seal in verdict.accepted:
        print(f"accepted by {seal.actor} on {seal.at[:10]} ({seal.reason}): {found.id}: {found.what}")
