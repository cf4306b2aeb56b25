"""How a command answers: in words for people, or with `--json` as one JSON value on the standard output, and nothing beside it.

Every command and verb has `--json`: the parser is given it here. A command says both at once:

    answer(options, {"model": name, "version": 3}, f"{name}: version 3 answers.")

and describes the keys of each of its answers in SHAPES = {verb, or "": {key: words}}, from which the reference is made.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TextIO

from include.cli.exits import Exit, exit_of
from include.core import logs
from include.core.errors import SEEN, SlipstreamError, fields_of, shown
from include.core.json_types import Json

log = logging.getLogger(__name__)
Shapes = Mapping[str, Mapping[str, str]]

OPTION = "--json"
ERROR_KEYS: Mapping[str, str] = {
    "kind": "the error's class, such as `DataError`; `Usage` for wrong usage, `Fault` for a fault of the program",
    "what": "what happened",
    "seen": "the value seen, as text; null where none is known",
    "safe": "what was left as it was; null where nothing is said",
    "next": "what to do next; null where nothing is said",
    "exit": "the exit status",
}

_stdout: ContextVar[TextIO | None] = ContextVar("stdout", default=None)  # where the answer goes while words are kept off it


def answer(options: argparse.Namespace, value: object, words: str | Iterable[str] = ()) -> None:
    """Print a command's answer, once: `value` with --json, its words otherwise (lines; a generator runs only then)."""
    if options.json:
        print(json.dumps(plain(value), indent=2), file=_stdout.get() or sys.stdout)
        return
    for line in [words] if isinstance(words, str) else words:
        print(line)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give `--json` to a command, or to each of its verbs where those are commands of their own."""
    verbs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for verb in verbs:
        for below in verb.choices.values():
            add_json(below)
    if not verbs and OPTION not in parser._option_string_actions:
        parser.add_argument(OPTION, action="store_true", help="the answer as JSON, and nothing else, on the standard output")
        parser.set_defaults(words_aside=True)


@contextmanager
def words_aside(options: argparse.Namespace) -> Iterator[None]:
    """With --json, what is printed on the way goes to the standard error: progress, and the words of a command's parts."""
    if not (getattr(options, "json", False) and getattr(options, "words_aside", False)):
        yield
        return
    token = _stdout.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _stdout.reset(token)


def plain(value: object) -> Json:
    """The value as JSON has it: dates and paths as text, dataclasses as objects, numbers that are none as null."""
    if value is None or (isinstance(value, bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Iterable):
        return [plain(each) for each in (sorted(value) if isinstance(value, Set) else value)]
    if hasattr(value, "item"):  # a number of NumPy's
        return plain(value.item())
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value)


def tell_error(error: SlipstreamError, *, as_json: bool) -> int:
    """Print an error on the standard error, and return the status that it ends the command with."""
    status = exit_of(error)
    if as_json:
        _print_error(type(error).__name__, error.what, error.seen, error.safe, error.hint, status)
    elif logs.is_json():
        log.error("%s", error.what, extra={"error": fields_of(error)})
    else:
        print(explain(error), file=sys.stderr)
    return status


def tell_trace(error: Exception) -> None:
    """Where a fault of the program comes from, on the standard error; in the log's form where that is JSON."""
    if logs.is_json():
        log.critical("the command failed", exc_info=error)
    else:
        traceback.print_exception(error)


def tell_usage(message: str) -> None:
    """Wrong usage, with --json."""
    _print_error("Usage", message, None, "nothing was done.", "slipstream COMMAND --help", Exit.USAGE)


def tell_fault(error: Exception) -> None:
    """A fault of the program, with --json; its traceback stands above."""
    what = f"{type(error).__name__}: {error}"
    _print_error("Fault", what, None, "", "report the traceback above.", Exit.FAULT)


def explain(error: SlipstreamError) -> str:
    """The error on lines of its own: what, seen, safe, next."""
    what, *others = error.lines()
    return "\n".join([f"error: {what}", *(f"  {line[0].lower()}{line[1:]}" for line in others)])


def _print_error(kind: str, what: str, seen: object, safe: str, hint: str, status: int) -> None:
    """On one line, which is the last of the standard error: a library may have written above it."""
    told = {"kind": kind, "what": what, "seen": _seen(seen), "safe": safe or None, "next": hint or None, "exit": int(status)}
    print(json.dumps(told), file=sys.stderr)


def _seen(seen: object) -> str | None:
    if seen is None:
        return None
    return str(seen)[:SEEN] if isinstance(seen, str) else shown(seen)
