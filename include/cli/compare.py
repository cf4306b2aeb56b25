"""`slipstream compare MODEL FIT [OTHER]`: two fits, or a fit and the champion, on the same held-out rows."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.by_hand import RESULT, open_model

SHAPES: Shapes = {
    "": {
        **RESULT,
        "one": "the first: its `name` and `metrics`",
        "other": "the second, likewise",
        "metric": "the spec's metric, which the difference is of",
        "better": "by how much the first is better, in units of the metric",
        "low": "the lower end of its 95 % interval",
        "high": "the upper end",
        "rows": "held-out rows",
        "verdict": "the same in a sentence",
    }
}
FIT = "the key of a fit or its beginning, as `slipstream fit` prints it, a version's number, or `champion`"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("fit", help=FIT)
    parser.add_argument("other", nargs="?", default="champion", help="the one to compare it with; by default the champion")


def run(options: argparse.Namespace) -> int:
    made = open_model(options.model).compare(_which(options.fit), _which(options.other))
    answer(options, made.to_json(), made.lines())
    return 0


def _which(text: str) -> str | int:
    return int(text) if text.isdecimal() and len(text) < 10 else text
