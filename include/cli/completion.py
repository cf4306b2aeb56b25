"""`slipstream completion bash|zsh|fish`: prints the script by which a shell completes commands, options, models and versions.

The script holds the commands and their options, as the parsers have them; the names of models and versions, which change, it
asks this command for (`--names`). That imports no vendor's library, so that it answers at once.
"""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.completion_scripts import SCRIPTS
from include.cli.completion_words import MODELS, VERSIONS, command_words
from include.cli.context import open_context
from include.core.catalog import owner_names
from include.core.errors import SlipstreamError

SHAPES: Shapes = {shell: {"shell": "the shell", "script": "what it is to source"} for shell in SCRIPTS}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", nargs="?", choices=list(SCRIPTS), default="bash", help="by default bash")
    parser.add_argument("--names", choices=(MODELS, VERSIONS), help=argparse.SUPPRESS)  # what the scripts ask for
    parser.add_argument("--of", default="", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    if options.names:
        answer(options, names := _names(options.names, options.of), names)
        return 0
    script = SCRIPTS[options.shell](list(command_words()))
    answer(options, {"shell": options.shell, "script": script}, script.removesuffix("\n"))
    return 0


def _names(what: str, model: str) -> list[str]:
    """Of the models here, or of a model's versions, newest first. None where they cannot be read: a shell shows no error."""
    try:
        context = open_context()
        if what == MODELS:
            return owner_names(context.settings.models)
        from include.versions.queries import records

        return [str(record.version) for record in reversed(records(context.control, model))]
    except SlipstreamError:
        return []
