"""`slipstream trace MODEL`: from the served version back to the raw bytes, every digest computed again."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.cli.exits import found
from include.governance.lineage import trace
from include.governance.tree import render

SHAPES: Shapes = {
    "": {
        "version": "the record, as in `versions`", "counts": "parts of the lineage, by state",
        "intact": "whether all is as it was",
        "lineage": "the tree: `role`, `state`, `digest`, `uri`, `detail`, `inputs`",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--version", type=int, metavar="N", help="another version than the one in production")
    parser.add_argument("--all", action="store_true", help="show every partition, alike or not")


def run(options: argparse.Namespace) -> int:
    """FOUND if anything on the way is missing or changed."""
    context = open_context()
    traced = trace(context.ledger, context.control, options.model, options.version)
    answer(options, traced.to_json(), [] if options.json else [render(traced, options.all)])
    return found(not traced.intact)
