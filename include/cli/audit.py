"""`slipstream audit`: whether anybody edited history, who did what, and the whole of it as a file that others verify.

Rows are checked one by one, against the seals, and against the anchors.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import found
from include.core.environment_governance import AUDIT_ANCHOR
from include.core.errors import DataError, InputError, one_line
from include.core.table import table
from include.governance.anchor_places import FORMS
from include.governance.anchors import anchor_head, read_places
from include.governance.audit import AuditRow, Search, search
from include.governance.audit_chain import Verdict, to_json, verify
from include.governance.audit_export import export, verify_file
from include.governance.seals import Seal, accept, write_seal

DETAIL = 100  # characters of a row's detail that a line shows
VERBS = {
    "verify": "check every row, every seal and every anchor; nothing is written",
    "seal": "verify, then copy the newest row's hash to the storage root",
    "anchor": "write the newest row's hash to the places of SLIPSTREAM_AUDIT_ANCHOR, which nobody can rewrite",
    "accept": "seal what was found, with the reason: it is reported from then on, and no alarm",
    "search": "the rows that --subject, --actor, --action, --since, --until and --text leave, newest first",
    "export": "write every row and seal to --file, which `audit verify --file` checks anywhere, without a store",
}

_CHAIN = {
    "rows": "rows of the table", "seals": "seals of the storage root", "sealed": "the newest row that a seal holds",
    "sealed_at": "when", "unsealed": "rows since", "intact": "whether all is as it was written",
    "anchors": "anchors that were read", "anchored": "the newest row that is as one of them says", "anchored_at": "when",
    "away": "places of anchors that could not be read, with why", "elsewhere": "places that are only written to",
    "first": "the first bad row; 0 where no row is in doubt", "certain": "up to which row an anchor or a seal vouches for all",
    "findings": "what is not: `id`, `what`, `row`", "accepted": "findings that a person has accepted, with `by` and `reason`",
}  # fmt: skip
_SEAL = {"seal": "the seal that was written (`number`, `seq`, `hash`, `at` ...); null where nothing was to be sealed"}
SHAPES: Shapes = {
    "verify": _CHAIN,
    "seal": {**_CHAIN, **_SEAL},
    "accept": {**_CHAIN, **_SEAL},
    "anchor": {
        "anchor": "the newest row: `seq`, `hash`, `at`; null where there is none",
        "written": "places that were given it now",
        "failed": "places that were not, with why",
    },
    "search": {"rows": "newest first: `seq`, `at`, `actor`, `action`, `subject`, `detail`"},
    "export": {"file": "its path", "rows": "rows in it"},
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=VERBS, help="; ".join(f"{verb}: {words}" for verb, words in VERBS.items()))
    parser.add_argument("--reason", default="", help="accept: why the rows are not as they were written")
    parser.add_argument("--file", type=Path, help="export: where to; verify: an exported file instead of the stores")
    parser.add_argument("--anchors", type=Path, action="append", default=[], metavar="FILE",
                        help="verify: compare with the anchors in this file, too: a log that was carried away")  # fmt: skip
    parser.add_argument("--subject", default="", help="search: a model, or another subject, with what is below it")
    parser.add_argument("--actor", default="", help="search: a part of the name of who did it")
    parser.add_argument("--action", default="", help="search: how the action begins, such as rollout")
    parser.add_argument("--since", default="", help="search: from this day or moment on (UTC), such as 2026-11-01")
    parser.add_argument("--until", default="", help="search: before this day or moment")
    parser.add_argument("--text", default="", help="search: a part of the detail")
    parser.add_argument("--limit", type=int, default=100, help="search: rows at most")


def run(options: argparse.Namespace) -> int:
    """FOUND if anything is not as it was written."""
    if options.verb == "verify" and options.file:
        return _verified(options, verify_file(options.file, read_places([], options.anchors)))
    context = open_context()
    if options.verb == "anchor":
        return _anchor(options, context)
    if options.verb == "search":
        return _search(options, context)
    if options.verb == "export":
        return _export(options, context)
    verdict = _verdict(context, options)
    if options.verb == "accept":
        _answer_sealed(options, context, _accept(context, verdict, options.reason))
        return 0
    if options.verb == "verify":
        return _verified(options, verdict)
    _print_accepted(verdict)
    verdict.raise_if_broken()
    print(verdict.words)
    if options.verb == "seal":
        seal = write_seal(context.control, context.ledger.storage, actor=context.actor)
        print(f"Seal {seal.number} is of row {seal.seq}." if seal else "Nothing was added since the newest seal.")
        _answer_sealed(options, context, seal)
    return 0


def _verdict(context: CliContext, options: argparse.Namespace) -> Verdict:
    return verify(context.control, context.ledger.storage, read_places(context.anchor_places(), options.anchors))


def _anchor(options: argparse.Namespace, context: CliContext) -> int:
    """Raises the error of the first place that did not take it."""
    places = context.anchor_places()
    if not places:
        raise InputError(
            "There is no place to anchor the audit chain at.",
            safe="nothing was written.",
            hint=f"set {AUDIT_ANCHOR.name}: {FORMS}.",
        )
    done = anchor_head(context.control, places)
    failed = {place: one_line(error) for place, error in done.failed.items()}
    value = {"anchor": done.anchor, "written": list(done.written), "failed": failed}
    answer(options, value, [done.words, *(f"Not at {place}: {why}" for place, why in failed.items())])
    for error in done.failed.values():
        raise error
    return 0


def _verified(options: argparse.Namespace, verdict: Verdict) -> int:
    if options.json:
        answer(options, to_json(verdict))
        return found(not verdict.intact)
    _print_accepted(verdict)
    verdict.raise_if_broken()
    print(verdict.words)
    return 0


def _search(options: argparse.Namespace, context: CliContext) -> int:
    wanted = Search(**{name: getattr(options, name) for name in Search.__dataclass_fields__})
    rows = search(context.control, wanted, options.limit)
    header = ("row", "at", "who", "action", "subject", "detail")
    shown = [(str(each.seq), each.at[:19], each.actor, each.action, each.subject, _detail(each)) for each in rows]
    answer(options, {"rows": [each.to_json() for each in rows]}, [table(header, shown) if rows else "No row of the audit is so."])
    return 0


def _detail(row: AuditRow) -> str:
    text = json.dumps(row.detail, sort_keys=True)
    return text if len(text) <= DETAIL else f"{text[: DETAIL - 3]}..."


def _export(options: argparse.Namespace, context: CliContext) -> int:
    if options.file is None:
        raise InputError("An export is written to a file.", hint="say which: slipstream audit export --file audit.jsonl")
    rows = export(context.control, context.ledger.storage, options.file)
    words = f"{rows} rows are in {options.file}. To check them anywhere: slipstream audit verify --file {options.file}"
    answer(options, {"file": str(options.file), "rows": rows}, [words])
    return 0


def _answer_sealed(options: argparse.Namespace, context: CliContext, seal: Seal | None) -> None:
    if options.json:
        answer(options, {**to_json(_verdict(context, options)), "seal": seal})


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
