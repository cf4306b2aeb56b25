"""`slipstream mirror [MODEL]`: have the registry show the versions' stages as the control store has them. Safe to repeat."""

from __future__ import annotations

import argparse

from include.cli.context import CliContext, open_context
from include.core.catalog import model_names
from include.core.errors import DataError, SlipstreamError
from include.governance.mirror import follow, mirror, note
from include.versions.queries import records


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="only this one; otherwise every model that has versions")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    if options.model:
        return _one(context, options.model)
    names = [name for name in model_names(context.settings.models) if records(context.control, name)]
    problems = {name: follow(context.control, context.labels, name) for name in names}
    for name, problem in problems.items():
        print(f"{name}: {problem or _DONE}")
    return 1 if any(problems.values()) else 0


def _one(context: CliContext, model: str) -> int:
    if not records(context.control, model):
        raise DataError(f"{model} has no registered version.", hint="`slipstream status` lists the models.")
    try:
        mirror(context.control, context.labels(), model)
    except SlipstreamError as error:
        note(context.control, model, error)
        raise
    print(f"{model}: {_DONE}")
    return 0


_DONE = "the registry shows the stages and aliases of the control store."
