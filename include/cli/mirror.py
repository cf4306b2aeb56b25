"""`slipstream mirror [MODEL]`: have the registry show the versions' stages as the control store has them. Safe to repeat."""

from __future__ import annotations

import argparse

from include.cli.context import Desk, open_desk
from include.core.catalog import model_names
from include.core.errors import DataError, SlipstreamError
from include.governance.mirror import follow, mirror, note
from include.versions.queries import records


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="only this one; otherwise every model that has versions")


def run(options: argparse.Namespace) -> int:
    desk = open_desk()
    if options.model:
        return _one(desk, options.model)
    names = [name for name in model_names(desk.settings.models) if records(desk.control, name)]
    problems = {name: follow(desk.control, desk.labels, name) for name in names}
    for name, problem in problems.items():
        print(f"{name}: {problem or _DONE}")
    return 1 if any(problems.values()) else 0


def _one(desk: Desk, model: str) -> int:
    if not records(desk.control, model):
        raise DataError(f"{model} has no registered version.", hint="`slipstream status` lists the models.")
    try:
        mirror(desk.control, desk.labels(), model)
    except SlipstreamError as error:
        note(desk.control, model, error)
        raise
    print(f"{model}: {_DONE}")
    return 0


_DONE = "the registry shows the stages and aliases of the control store."
