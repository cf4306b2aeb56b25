"""`slipstream new NAME`: a model's folder to start from."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.core.places import SET_FILE

SHAPES: Shapes = {
    "": {
        "model": "its name",
        "like": "what it was made from",
        "folder": "where it lies",
        "files": "the names of its files",
        "package": "the package by which it is imported",
        "models": "the value of SLIPSTREAM_MODELS that has it",
        "next": "commands to go on with",
    }
}
EVERY = ("15min", "30min", "hour", "6h", "day", "week")  # as include/authoring/cadence.py has them
SAMPLE = "sample_data.py"  # the template's: made-up days
LIKE = "a model to copy, of this installation or of the examples; by default `template`, small and with comments"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="of the model: lower case letters, digits and _")
    parser.add_argument("--like", default="template", metavar="MODEL", help=LIKE)
    parser.add_argument("--every", default="day", choices=tuple(EVERY), help="how long a partition is; by default a day")
    into = "the folder of models to make it in; by default that of SLIPSTREAM_MODELS"
    parser.add_argument("--into", type=Path, metavar="PATH", help=into)


def run(options: argparse.Namespace) -> int:
    from include.authoring.new import make
    from include.overview.models import known_models

    context = open_context()
    control = context.control_if_there
    known = known_models(control) if control is not None else set()
    made = make(options.name, options.like, options.into, context.settings.models, known, options.every)
    models = _setting(context.settings.models, made.folder.parent)
    commands = [f"export SLIPSTREAM_MODELS={models}"] if models != context.settings.models else []
    commands.append(f"slipstream check {made.name}")
    if SAMPLE in made.files:
        commands.append(f"python -m {made.package}.{made.name}.{SAMPLE.removesuffix('.py')} 2024-01-01 2024-02-15")
    if SET_FILE not in made.files:
        commands.append(f"slipstream evaluate {made.name}")
    value = {"model": made.name, "like": made.like, "folder": made.folder, "files": made.files}
    words = [f"{made.folder}: {', '.join(made.files)} (like {made.like})", "next:", *(f"  {command}" for command in commands)]
    answer(options, {**value, "package": made.package, "models": models, "next": commands}, words)
    return 0


def _setting(models: str, folder: Path) -> str:
    """SLIPSTREAM_MODELS as it has to be for the folder's models to be found."""
    from include.authoring.places import folders

    known = [place.resolve() for _, place in folders(models)]
    return models if folder.resolve() in known else f"{models}{os.pathsep}{folder}"
