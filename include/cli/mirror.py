"""`slipstream mirror [MODEL]`: have the registry show the versions' stages as the control store has them. Safe to repeat."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import Exit
from include.core.catalog import model_names
from include.core.errors import DataError, SlipstreamError
from include.governance.mirror import follow, mirror, note
from include.versions.queries import records


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="only this one; otherwise every model that has versions")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    if options.model:
        _one(context, options.model)
        problems = {options.model: ""}
    else:
        problems = _all(context)
    words = (f"{name}: {problem or _DONE}" for name, problem in problems.items())
    answer(options, [{"model": name, "problem": problem or None} for name, problem in problems.items()], words)
    return Exit.RETRY if any(problems.values()) else Exit.DONE


def _all(context: CliContext) -> dict[str, str]:
    """What hinders, by model; empty where nothing does."""
    names = [name for name in model_names(context.settings.models) if records(context.control, name)]
    return {name: follow(context.control, context.labels, name) for name in names}


def _one(context: CliContext, model: str) -> None:
    if not records(context.control, model):
        raise DataError(f"{model} has no registered version.", hint="`slipstream status` lists the models.")
    try:
        mirror(context.control, context.labels(), model)
    except SlipstreamError as error:
        note(context.control, model, error)
        raise


SHAPES: Shapes = {
    "": {"model": "its name", "problem": "why the registry does not show it yet; null where it does"},
}
_DONE = "the registry shows the stages and aliases of the control store."
