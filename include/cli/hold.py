"""`slipstream hold MODEL [VERSION]`: keep a version whatever `data.retention.versions` says, or let it go again.

Needs the control store alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from include.cli.answer import Shapes, answer
from include.cli.arguments import version_number
from include.cli.context import open_context
from include.core.table import table
from include.versions.hold import Hold, hold, holds, release

_HOLD = {"model": "its name", "version": "which one", "actor": "who holds it", "reason": "why", "at": "since when"}
SHAPES: Shapes = {
    "": {"holds": "those that are held now: " + ", ".join(f"`{name}` ({words})" for name, words in _HOLD.items())},
    "VERSION": {**_HOLD, "released": "whether it was let go: the other fields are then of the hold that was"},
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("version", nargs="?", help="which one; without, those that are held are listed")
    parser.add_argument("--reason", default="", help="why: it stands in the audit with your name")
    parser.add_argument("--release", action="store_true", help="let it go: from now on the rule of its model counts again")


def run(options: argparse.Namespace) -> int:
    context, model = open_context(), options.model
    if options.version is None:
        held = holds(context.control, model)
        answer(options, {"holds": [_said(model, number, each) for number, each in held.items()]}, _listed(model, held))
        return 0
    version = version_number(options.version, model)
    act = release if options.release else hold
    done = act(context.control, model, version, actor=context.actor, reason=options.reason)
    was = f"is let go; it was {done.words}" if options.release else f"is {done.words}"
    answer(options, {**_said(model, version, done), "released": options.release}, f"{model}: version {version} {was}.")
    return 0


def _said(model: str, version: int, held: Hold) -> dict[str, object]:
    return {"model": model, "version": version, **held.to_json()}


def _listed(model: str, held: dict[int, Hold]) -> Iterator[str]:
    if not held:
        yield f"No version of {model} is held."
        return
    yield table(("version", "held by", "since", "why"), [(n, each.actor, each.at[:10], each.reason) for n, each in held.items()])
