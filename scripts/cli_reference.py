"""Writes docs/reference/cli.md, the reference of the `slipstream` command, from the command's own parsers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "cli.md"
COLUMNS = "100"  # argparse breaks lines by the width of the terminal
HEAD = """\
# The command

`slipstream` works while Airflow is down: it reads the ledger and the control store itself. `--debug` before the command shows
the traceback of an error, too. `slipstream completion bash` prints what makes a shell complete it.

Written by `scripts/cli_reference.py`: do not edit.

## Exit status

The same for every command. Scripts may rely on each number.

{statuses}

`audit`, `trace`, `relocate`, `doctor`, `backup verify`, `backup restore` and `reconcile --dry-run` are commands that check.

## JSON

Every command takes `--json`: the standard output then holds one JSON value and nothing else; what is said on the way goes to the
standard error. The keys of each answer are listed below: they stay, others may join them. Where an answer is a list, the keys are
those of its elements. Times are ISO 8601, in UTC.

An error is a JSON object on one line, the last of the standard error:

{error}
"""


def page() -> str:
    """The whole page."""
    from include.cli.main import COMMANDS

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    try:
        sections = [section for name, summary in COMMANDS.items() for section in _sections(name, summary)]
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return "\n".join([_head(), *sections])


def _head() -> str:
    from include.cli.answer import ERROR_KEYS
    from include.cli.exits import MEANINGS

    statuses = _table("status", "means", {str(int(status)): words for status, words in MEANINGS.items()})
    return HEAD.format(statuses=statuses, error=_table("key", "is", {f"`{key}`": words for key, words in ERROR_KEYS.items()}))


def _sections(name: str, summary: str) -> Iterator[str]:
    from include.cli.main import configure, module_of

    parser = argparse.ArgumentParser(prog=f"slipstream {name}", description=f"{summary.capitalize()}.")
    configure(name, parser)
    shapes = module_of(name).SHAPES
    verbs = [(word, sub) for action in parser._actions if isinstance(action, argparse._SubParsersAction)
             for word, sub in action.choices.items()]  # fmt: skip
    alone = [] if verbs else [_shape(verb, keys) for verb, keys in shapes.items()]
    yield "\n".join([f"## {name}\n\n{_help(parser)}", *alone])
    for word, sub in verbs:
        yield "\n".join([f"### {name} {word}\n\n{_help(sub)}", *[_shape("", shapes[each]) for each in shapes if each == word]])


def _shape(verb: str, keys: Mapping[str, str]) -> str:
    head = f"With `--json`, `{verb}`:" if verb else "With `--json`:"
    return f"{head}\n\n{_table('key', 'is', {f'`{key}`': words for key, words in keys.items()})}\n"


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    return "\n".join([f"| {left} | {right} |", "|---|---|", *(f"| {key} | {words} |" for key, words in rows.items())])


def _help(parser: argparse.ArgumentParser) -> str:
    return f"```text\n{parser.format_help().rstrip()}\n```\n"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page())
