"""`slipstream quarantine MODEL`: the rows that validation set aside, why, and which would pass today's rules."""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from include.cli.arguments import day
from include.cli.context import CliContext, open_context
from include.core.catalog import load_spec
from include.core.errors import DataError
from include.core.nearest import did_you_mean
from include.core.spec import ModelSpec
from include.core.table import table
from include.governance.invalidation import find
from include.row_rules.expectation import load_suite
from include.validation.quarantine import QuarantinedRows, quarantines, reasons, would_pass

SHOWN = 8


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--day", type=day, metavar="YYYY-MM-DD", help="only that day, with every reason")
    parser.add_argument("--source", help="only that source")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    spec = load_spec(options.model, context.settings.models)
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
        print(f"No row of {options.model}{f' on {options.day}' if options.day else ''} is in quarantine.")
        return 0
    rows = [_row(context, spec, each) for each in held]
    print(table(("day", "source", "rows", "in quarantine", "would pass now", "first reason"), rows))
    if options.day:
        _print_reasons(context, held)
    passing = [each for each, row in zip(held, rows, strict=True) if row[4]]
    print(_next(spec, options.model, [date.fromisoformat(each.day) for each in passing]))
    return 0


def _row(context: CliContext, spec: ModelSpec, held: QuarantinedRows) -> tuple[object, ...]:
    with TemporaryDirectory() as folder:
        path = context.ledger.fetch(held.result, held.file, Path(folder))
        passing = would_pass(path, load_suite(spec.expectations, held.source).rules)
        return held.day, held.source, held.rows, held.quarantined, passing, reasons(path)[0][0]


def _print_reasons(context: CliContext, held: list[QuarantinedRows]) -> None:
    for each in held:
        with TemporaryDirectory() as folder:
            found = reasons(context.ledger.fetch(each.result, each.file, Path(folder)))
        print(f"\n{each.source}: {context.ledger.storage.uri(each.result.files[each.file].path)}")
        print(table(("rows", "reason"), [(count, reason) for reason, count in found[:SHOWN]]))


def _next(spec: ModelSpec, model: str, days: list[date]) -> str:
    if not days:
        return "\nNone of them passes today's rules. Land a corrected partition, or correct the rule in expectations.py."
    last = min(max(days) + timedelta(days=spec.data.lookback_days), spec.data.last or date.max)
    return (
        "\nTo release them (the days' verdicts, features and online values are made again; later days that read them too):\n"
        f"  airflow backfill create --dag-id {model}_features --from-date {min(days)} --to-date {last} "
        "--reprocess-behavior completed"
    )
