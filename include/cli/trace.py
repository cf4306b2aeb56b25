"""`slipstream trace MODEL`: from the served version back to the raw bytes, every digest computed again."""

from __future__ import annotations

import argparse
import json

from include.cli.context import open_context
from include.governance.lineage import trace
from include.governance.tree import checksums, render


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("--version", type=int, metavar="N", help="another version than the one in production")
    parser.add_argument("--all", action="store_true", help="show every partition, alike or not")
    parser.add_argument("--files", action="store_true", help="every file with its SHA-256, as `sha256sum --check` takes it")
    parser.add_argument("--json", action="store_true", help="the whole tree, as JSON")


def run(options: argparse.Namespace) -> int:
    """1 if anything on the way is missing or changed."""
    context = open_context()
    traced = trace(context.ledger, context.control, options.model, options.version)
    if options.json:
        print(json.dumps(traced.to_json(), indent=2))
    else:
        print(checksums(traced) if options.files else render(traced, options.all))
    return 0 if traced.intact else 1
