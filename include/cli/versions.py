"""`slipstream versions MODEL`: every version, newest first."""

from __future__ import annotations

import argparse
import json

from include.cli.context import open_context
from include.core.errors import DataError
from include.core.table import table
from include.versions.queries import records
from include.versions.record import VersionRecord

HEAD = ("version", "semver", "stage", "as of", "gate", "origin", "metrics")
SHOWN = 3  # metrics of a row


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")


def run(options: argparse.Namespace) -> int:
    found = list(reversed(records(open_context().control, options.model)))
    if not found:
        raise DataError(f"{options.model} has no registered version.", hint="its training DAG registers one: run it.")
    if options.json:
        print(json.dumps([record.to_json() for record in found], indent=2))
    else:
        print(table(HEAD, map(_row, found)))
    return 0


def _row(record: VersionRecord) -> tuple[object, ...]:
    entry = record.entry
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in list(entry.metrics.items())[:SHOWN])
    made = entry.origin + (f" ({entry.run_type})" if entry.run_type else "")
    gate = "passed" if entry.gate.passed else f"closed: {'; '.join(entry.gate.reasons)}"
    return record.version, record.semver, str(record.stage), entry.as_of[:16], gate, made, metrics
