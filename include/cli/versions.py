"""`slipstream versions MODEL`: every version, newest first."""

from __future__ import annotations

import argparse
import json

from include.cli.context import open_context
from include.core.errors import DataError
from include.core.table import cut_table, table
from include.versions.queries import records
from include.versions.record import VersionRecord

HEAD = ("version", "semver", "stage", "as of", "gate", "origin", "metrics")
SHOWN = 3  # metrics of a row


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--wide", action="store_true", help="nothing is cut, however long the lines")
    parser.add_argument("--json", action="store_true", help="the whole records, as JSON")


def run(options: argparse.Namespace) -> int:
    found = list(reversed(records(open_context().control, options.model)))
    if not found:
        raise DataError(f"{options.model} has no registered version.", hint="its training DAG registers one: run it.")
    if options.json:
        print(json.dumps([record.to_json() for record in found], indent=2))
    elif options.wide:
        print(table(HEAD, map(_row, found), width=0))
    else:
        text, cut = cut_table(HEAD, map(_row, found))
        print(text)
        if cut:
            print(f"Cut to fit: --wide or --json shows all; `slipstream gate explain {options.model} N` why a gate is closed.")
    return 0


def _row(record: VersionRecord) -> tuple[object, ...]:
    entry = record.entry
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in list(entry.metrics.items())[:SHOWN])
    made = entry.origin + (f" ({entry.run_type})" if entry.run_type else "")
    return record.version, record.semver, str(record.stage), entry.as_of[:16], _gate(record), made, metrics


def _gate(record: VersionRecord) -> str:
    gate = record.entry.gate
    verdict = "passed" if gate.passed else f"closed: {'; '.join(gate.reasons)}"
    return f"{record.override.words} ({verdict})" if record.override is not None else verdict
