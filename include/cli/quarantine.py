"""`slipstream quarantine MODEL`: the rows that validation set aside, why, and which would pass today's rules."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

from include.cli.answer import Shapes, answer
from include.cli.arguments import day
from include.cli.context import CliContext, open_context
from include.core.catalog import load_owner
from include.core.errors import DataError
from include.core.nearest import did_you_mean
from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.core.table import table
from include.governance.invalidation import find
from include.validation.quarantine import quarantines
from include.validation.release import Looked, look, release_of

SHOWN = 8
SHAPES: Shapes = {
    "": {
        "model": "its name",
        "held": "`day`, `source`, `rows`, `quarantined`, `would_pass`, `reasons` (each with its `rows`)",
        "release": "the days to be made again, `first` and `last`, to release what would pass; null where nothing would",
    },
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--day", type=day, metavar="YYYY-MM-DD", help="only that day, with every reason")
    parser.add_argument("--source", help="only that source")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    spec = load_owner(options.model, context.settings.models)
    if options.source not in (None, *spec.data.sources):
        raise DataError(
            f"{options.model} has no source {options.source!r}.",
            seen=options.source,
            hint=did_you_mean(options.source, spec.data.sources, f"sources of {options.model}"),
        )
    wanted = options.day.isoformat() if options.day else None
    keys = [each.key for each in find(context.ledger, options.model, "validate", wanted)]
    held = [each for each in quarantines(context.ledger, keys) if options.source in (None, each.source)]
    if not held:
        none = f"No row of {options.model}{f' on {options.day}' if options.day else ''} is in quarantine."
        answer(options, {"model": options.model, "held": [], "release": None}, none)
        return 0
    looked = [look(context.ledger, spec, each) for each in held]
    release = release_of(spec, looked)
    shown = {"model": options.model, "held": [each.to_json() for each in looked], "release": release}
    answer(options, shown, _words(context, spec, looked, release, options))
    return 0


def _words(
    context: CliContext,
    spec: PartitionOwner,
    looked: Sequence[Looked],
    release: Mapping[str, Partition] | None,
    options: argparse.Namespace,
) -> Iterator[str]:
    yield table(("day", "source", "rows", "in quarantine", "would pass now", "first reason"), [each.row for each in looked])
    for each in looked if options.day else ():
        yield f"\n{each.held.source}: {context.ledger.storage.uri(each.held.result.files[each.held.file].path)}"
        yield table(("rows", "reason"), [(count, reason) for reason, count in each.reasons[:SHOWN]])
    yield _next(spec, release)


def _next(spec: PartitionOwner, release: Mapping[str, Partition] | None) -> str:
    if release is None:
        return "\nNone of them passes today's rules. Land a corrected partition, or correct the rule in expectations.py."
    first, last = spec.data.backfill(release["first"], release["last"])
    return (
        "\nTo release them (the days' verdicts, features and online values are made again; later days that read them too):\n"
        f"  airflow backfill create --dag-id {spec.name}_features --from-date {first} --to-date {last} "
        "--reprocess-behavior completed"
    )
