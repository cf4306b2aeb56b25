"""What may stand where on the command line, read from the commands' own parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODELS, VERSIONS, FILES, ANYTHING = "models", "versions", "files", "anything"


@dataclass(frozen=True)
class Words:
    """Of one command, or of one of its verbs. A kind is one of those above, or the words themselves as `=one|other`."""

    path: str
    """`token new`; empty for `slipstream` itself."""
    help: str
    options: tuple[str, ...]
    valued: tuple[tuple[str, str], ...]
    """The options that take a value, each with the kind of it."""
    places: tuple[str, ...]
    """The kinds of the positional arguments, in their order. `@one|other`: a command or verb with words of its own."""


def command_words() -> Iterator[Words]:
    """Of every command and verb, `slipstream` first."""
    from include.cli.main import every_command  # which imports all of them

    yield from _walk("", "", every_command())


def _walk(path: str, summary: str, parser: argparse.ArgumentParser) -> Iterator[Words]:
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    options = [option for action in shown for option in action.option_strings if option.startswith("--")]
    valued = [(option, _kind(action)) for action in shown for option in action.option_strings if action.nargs != 0]
    places = [_kind(action) for action in shown if not action.option_strings]
    yield Words(path, summary, tuple(options), tuple(valued), tuple(places))
    for action in shown:
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            for name, below in action.choices.items():
                yield from _walk(f"{path} {name}".strip(), helps.get(name, ""), below)


def _kind(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return f"@{'|'.join(action.choices)}"
    if action.choices:
        return f"={'|'.join(map(str, action.choices))}"
    if action.dest == "model":
        return MODELS
    if action.dest == "version":
        return VERSIONS
    return FILES if action.type is Path else ANYTHING
