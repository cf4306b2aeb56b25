"""`slipstream versions MODEL`: every version, newest first."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.core.errors import DataError
from include.core.table import cut_table, table
from include.versions.shown import ShownRecord, shown_records

HEAD = ("version", "semver", "stage", "as of", "gate", "origin", "metrics")
# Of the metrics, those that tell most of a binary label, a number, classes and a ranking.
FIRST = ("auc", "mae", "ndcg", "log_loss", "accuracy", "rmse", "recall")
SHOWN, WIDE = 2, 3  # metrics of a row
RECORD = {  # of a version, as JSON
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
}  # fmt: skip
SHAPES: Shapes = {
    "": {
        **RECORD,
        "given_up": "that it was: `at`, by which `rule`, `last` of use, `by` whom, its `dossier`; null of one that is kept",
        "held": "who keeps it whatever the rule says (`actor`), the `reason` and since when (`at`); null where nobody does",
        "override": "who opened its gate by hand, why, when and despite what; null where nobody did",
        "promoted_by": "the persons who let it into production, where persons were asked",
    }
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--wide", action="store_true", help="nothing is cut, however long the lines")


def run(options: argparse.Namespace) -> int:
    found = list(reversed(shown_records(open_context().control, options.model)))
    if not found:
        raise DataError(f"{options.model} has no registered version.", hint="its training DAG registers one: run it.")
    answer(options, [record.to_json() for record in found], _words(found, options))
    return 0


def _words(found: list[ShownRecord], options: argparse.Namespace) -> Iterator[str]:
    if options.wide:
        yield table(HEAD, [_row(record, WIDE) for record in found], width=0)
        return
    text, cut = cut_table(HEAD, [_row(record, SHOWN) for record in found])
    yield text
    if cut:
        yield f"Cut to fit: --wide or --json shows all; `slipstream gate explain {options.model} N` why a gate is closed."


def _row(record: ShownRecord, most: int) -> tuple[object, ...]:
    entry = record.entry
    names = sorted(entry.metrics, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))[:most]
    metrics = ", ".join(f"{name} {entry.metrics[name]:.4f}" for name in names)
    made = entry.origin + (f" ({entry.run_type})" if entry.run_type else "")
    return record.version, record.semver, _stage(record), entry.as_of[:16], _gate(record), made, metrics


def _stage(record: ShownRecord) -> str:
    if record.given_up is not None:
        return f"{record.stage}, given up {record.given_up.at[:10]}"
    return f"{record.stage}, held" if record.held is not None else str(record.stage)


def _gate(record: ShownRecord) -> str:
    gate = record.entry.gate
    verdict = "passed" if gate.passed else f"closed: {'; '.join(gate.reasons)}"
    return f"{record.override.words} ({verdict})" if record.override is not None else verdict
