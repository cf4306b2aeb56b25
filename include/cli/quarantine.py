"""`slipstream quarantine MODEL`: the rows that validation set aside, why, and which would pass today's rules."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from include.cli.answer import Shapes, answer
from include.cli.arguments import day
from include.cli.context import CliContext, open_context
from include.core.catalog import load_owner
from include.core.errors import DataError
from include.core.nearest import did_you_mean
from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.core.table import table
from include.core.time import MICROSECOND
from include.governance.invalidation import find
from include.row_rules.expectation import load_suite
from include.validation.quarantine import QuarantinedRows, quarantines, reasons, would_pass

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
    looked = [_look(context, spec, each) for each in held]
    release = _release(spec, [spec.data.cadence.parse(each.held.day) for each in looked if each.passing])
    shown = {"model": options.model, "held": [each.to_json() for each in looked], "release": release}
    answer(options, shown, _words(context, spec, looked, release, options))
    return 0


@dataclass(frozen=True)
class _Looked:
    held: QuarantinedRows
    passing: int  # of today's rules
    reasons: Sequence[tuple[str, int]]  # the commonest first

    def to_json(self) -> dict[str, object]:
        counts = {"rows": self.held.rows, "quarantined": self.held.quarantined, "would_pass": self.passing}
        said = [{"reason": reason, "rows": count} for reason, count in self.reasons]
        return {"day": self.held.day, "source": self.held.source, **counts, "reasons": said}

    @property
    def row(self) -> tuple[object, ...]:
        return self.held.day, self.held.source, self.held.rows, self.held.quarantined, self.passing, self.reasons[0][0]


def _look(context: CliContext, spec: PartitionOwner, held: QuarantinedRows) -> _Looked:
    with TemporaryDirectory() as folder:
        path = context.ledger.fetch(held.result, held.file, Path(folder))
        return _Looked(held, would_pass(path, load_suite(spec.expectations, held.source).rules), reasons(path))


def _words(
    context: CliContext,
    spec: PartitionOwner,
    looked: Sequence[_Looked],
    release: Mapping[str, Partition] | None,
    options: argparse.Namespace,
) -> Iterator[str]:
    yield table(("day", "source", "rows", "in quarantine", "would pass now", "first reason"), [each.row for each in looked])
    for each in looked if options.day else ():
        yield f"\n{each.held.source}: {context.ledger.storage.uri(each.held.result.files[each.held.file].path)}"
        yield table(("rows", "reason"), [(count, reason) for reason, count in each.reasons[:SHOWN]])
    yield _next(spec, release)


def _release(spec: PartitionOwner, days: list[Partition]) -> dict[str, Partition] | None:
    """The days that are made again when these are: later ones have read them, too."""
    if not days:
        return None
    data = spec.data
    until = data.cadence.reading_until(max(days), timedelta(days=data.lookback_days))
    last = data.cadence.at(until - MICROSECOND)
    return {"first": min(days), "last": last if data.last is None else min(last, data.latest(data.last))}


def _next(spec: PartitionOwner, release: Mapping[str, Partition] | None) -> str:
    if release is None:
        return "\nNone of them passes today's rules. Land a corrected partition, or correct the rule in expectations.py."
    first, last = spec.data.backfill(release["first"], release["last"])
    return (
        "\nTo release them (the days' verdicts, features and online values are made again; later days that read them too):\n"
        f"  airflow backfill create --dag-id {spec.name}_features --from-date {first} --to-date {last} "
        "--reprocess-behavior completed"
    )
