"""Writes docs/reference/cli.md, the reference of the `slipstream` command, from the command's own parsers."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "cli.md"
COLUMNS = "100"  # argparse breaks lines by the width of the terminal
HEAD = """\
# The command

`slipstream` works while Airflow is down: it reads the ledger and the control store itself. Exit status: 0 done, 1 an error
that is explained, 2 wrong usage. `--debug` before the command shows the traceback of an error, too.

Written by `scripts/cli_reference.py`: do not edit.
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
    return "\n".join([HEAD, *sections])


def _sections(name: str, summary: str) -> Iterator[str]:
    parser = argparse.ArgumentParser(prog=f"slipstream {name}", description=f"{summary.capitalize()}.")
    importlib.import_module(f"include.cli.{name.replace('-', '_')}").configure(parser)
    yield f"## {name}\n\n{_help(parser)}"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):  # the one way to a parser's subcommands
            yield from (f"### {name} {word}\n\n{_help(sub)}" for word, sub in action.choices.items())


def _help(parser: argparse.ArgumentParser) -> str:
    return f"```text\n{parser.format_help().rstrip()}\n```\n"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page())
