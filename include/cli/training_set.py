"""`slipstream training-set MODEL`: the rows that a training would learn from, built as the training DAG builds them."""

from __future__ import annotations

import argparse
from pathlib import Path

from include.cli.answer import Shapes, answer
from include.cli.by_hand import RESULT, add_data, open_model
from include.core.errors import DataError

SHAPES: Shapes = {
    "": {
        **RESULT,
        "as_of": "the moment, UTC",
        "rows": "labelled rows",
        "positives": "rows of label 1; of a binary label alone",
        "holdout_rows": "of the rows, those held out",
        "holdout_positives": "of those, of label 1; of a binary label alone",
        "described": "of other labels: figures by part (`train`, `holdout`), of classes their rows",
        "unlabelled": "rows whose label is not known yet: none of the others",
        "first": "when the first row was asked",
        "last": "when the last one was",
        "warnings": "what looks as if the rows held their own answer",
        "file": "the file that was written; null for none",
    }
}


def configure(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    out = "write all rows there as Parquet, with a column `held_out`"
    parser.add_argument("--out", type=Path, metavar="FILE.parquet", help=out)


def run(options: argparse.Namespace) -> int:
    made = open_model(options.model).training_set(options.as_of, missing=options.missing)
    if options.out is not None:
        try:
            made.frame.to_parquet(options.out, index=False)
        except OSError as error:
            raise DataError(
                f"The rows cannot be written: {error.strerror or error}.",
                seen=str(options.out),
                safe="the training set stays in the ledger.",
                hint="name a file in a folder that is there: --out rows.parquet",
            ) from error
    written = [f"written: {options.out}"] if options.out is not None else []
    answer(options, {**made.to_json(), "file": options.out}, [*made.lines(), *written])
    return 0
