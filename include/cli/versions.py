"""`slipstream versions MODEL`: every version, newest first."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.core.errors import DataError
from include.core.table import table
from include.versions.queries import records
from include.versions.record import VersionRecord

HEAD = ("version", "semver", "stage", "as of", "gate", "origin", "metrics")
SHOWN = 3  # metrics of a row
SHAPES: Shapes = {
    "": {
        "model": "the model", "version": "its number", "semver": "its semantic version", "stage": "Candidate, Production ...",
        "key": "what it was made from, as one key", "as_of": "the moment it knew nothing after",
        "gate": "`passed`, and the `reasons` why not", "metrics": "on its holdout, by name",
        "origin": "trained, or what else made it",
        "run_type": "the type of the run that made it", "threshold": "from which score on the label is 1",
        "training_set": "reference of the training set", "train": "reference of the trained model",
        "evaluation": "reference of the evaluation", "schema": "digest of the model's inputs",
        "code": "digest of the code that trained it", "params": "digest of the training parameters",
        "commit": "of git, where known",
        "run_id": "of the experiment tracker", "created_at": "when it was registered",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")


def run(options: argparse.Namespace) -> int:
    found = list(reversed(records(open_context().control, options.model)))
    if not found:
        raise DataError(f"{options.model} has no registered version.", hint="its training DAG registers one: run it.")
    answer(options, [record.to_json() for record in found], table(HEAD, map(_row, found)))
    return 0


def _row(record: VersionRecord) -> tuple[object, ...]:
    entry = record.entry
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in list(entry.metrics.items())[:SHOWN])
    made = entry.origin + (f" ({entry.run_type})" if entry.run_type else "")
    gate = "passed" if entry.gate.passed else f"closed: {'; '.join(entry.gate.reasons)}"
    return record.version, record.semver, str(record.stage), entry.as_of[:16], gate, made, metrics
