"""The `slipstream` command. Works while Airflow is down: it reads the ledger and the control store itself."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from include.cli.answer import OPTION, add_json, tell_error, tell_fault, tell_trace, tell_usage, words_aside
from include.cli.exits import Exit
from include.core import error_reports, logs
from include.core.errors import SlipstreamError
from include.core.private_files import set_mask

# Each is a module with `configure(parser)` and `run(options) -> exit status`, imported only when it is asked for.
COMMANDS = {
    "status": "what answers, and where every model stands",
    "predict": "ask a model, through the gateway or without it",
    "versions": "a model's registered versions",
    "register": "take in a model that was trained elsewhere",
    "backtest": "the walk-forward table of the versions",
    "scores": "the table of batch scores: partitions, the versions they were scored by, and its repair",
    "rollout": "look at a rollout; pause, resume or abort it",
    "experiment": "hold a version against the champion; show, recompute or stop it",
    "rollback": "return to the champion before, now",
    "approve": "say yes, as yourself, to a version that waits for a person",
    "reject": "say no to it: it is rolled back",
    "gate": "why a version may not go on, what it takes, and opening it by hand",
    "hold": "keep a version whatever the rule of its model says, with a reason; let it go again",
    "restore": "offer a version again that had its turn, or return to it now",
    "mirror": "show the versions' stages in the registry again",
    "reconcile": "what nobody drives or waits for, and mend it",
    "policy": "what a retraining policy would have done, and cost",
    "cost": "what versions, answers and a stale champion have cost",
    "dossier": "one signed file of all that is known of a version, and its check without a platform",
    "trace": "walk from a served model back to its raw data",
    "profile": "propose expectations from a raw partition",
    "features": "every feature, how fresh and who uses it; what a change touches; bring online what is published",
    "stream": "compute views from events as they arrive, or answer events by events",
    "quarantine": "the rows that validation set aside, and which would pass now",
    "redact": "take a person's requests out of the prediction log",
    "forget": "take a subject's rows out of everything, from raw partitions to the online store",
    "forgotten": "the requests to forget, and the proof of one",
    "invalidate": "have something computed again",
    "cancel": "stop a job",
    "requirements": "what the models' repositories ask of the environment, and whether it is there",
    "token": "who may ask the gateway for what",
    "jobs": "the jobs under way, and who waits for each",
    "backup": "what the platform knows, to another machine and back: make, verify, restore",
    "gc": "what nobody needs any more, and removing it",
    "relocate": "after an installation was moved: rewrite what names its former place",
    "upgrade": "bring the stores of an earlier release up to this one",
    "audit": "whether anybody edited history: verify it, seal it",
    "doctor": "what is installed, reachable and out of date, and what the settings are",
    "completion": "what makes a shell complete commands, models and versions",
    "training-set": "the rows that a training would learn from, as a file",
    "fit": "fit a model here, without Airflow",
    "search": "a search for parameters: how far it is, and what it found",
    "evaluate": "measure a fit on its held-out rows, and ask the gate",
    "compare": "two fits, or a fit and the champion, on the same rows",
    "new": "make a model's folder to start from",
    "check": "what is wrong with a model's folder, in seconds",
    "demo": "run the whole loop on real flights",
}


class _WrongUsage(Exception):
    """What argparse refuses, with the parser that knows its usage."""

    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        super().__init__(message)
        self.parser, self.message = parser, message


class _Parser(argparse.ArgumentParser):
    """Refuses by an exception: with --json, wrong usage is told as JSON too."""

    def error(self, message: str) -> NoReturn:
        raise _WrongUsage(self, message)


def main(argv: list[str] | None = None) -> int:
    """Runs one command; its exit status is one of include/cli/exits.py."""
    given = sys.argv[1:] if argv is None else argv
    as_json = OPTION in given
    try:
        options = _parser(given).parse_args(given)
        set_mask()
        logs.configure("cli", logging.WARNING, text=None)
        error_reports.start("cli")
        with words_aside(options):
            return _run(options)
    except _WrongUsage as wrong:
        _refuse(wrong, as_json=as_json)
    except SlipstreamError as error:
        if "--debug" in given:
            traceback.print_exc()
        return tell_error(error, as_json=as_json)
    except BrokenPipeError:  # `slipstream versions ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as fault:  # noqa: BLE001 - a script must not take a fault of ours for an error that is explained
        error_reports.report(fault)
        tell_trace(fault)
        if as_json:
            tell_fault(fault)
        return Exit.FAULT


def _run(options: argparse.Namespace) -> int:
    command = module_of(options.command)
    # `token` takes several, which may be models to come.
    if isinstance(getattr(options, "model", None), str) and not getattr(command, "RAW_ALONE", False):
        _require_model(options.model)
    status: int = command.run(options)
    sys.stdout.flush()
    return status


def _refuse(wrong: _WrongUsage, *, as_json: bool) -> NoReturn:
    if as_json:
        tell_usage(wrong.message)
    else:
        wrong.parser.print_usage(sys.stderr)
        print(f"{wrong.parser.prog}: error: {wrong.message}", file=sys.stderr)
    raise SystemExit(Exit.USAGE.value)


def _require_model(name: str) -> None:
    """One check for every command that takes a model, those to come as well. Raises DataError."""
    from include.cli.context import open_context
    from include.overview.models import require_model

    context = open_context()
    require_model(name, context.settings.models, lambda: context.control_if_there)


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Only the commands that are named are imported."""
    parser = _Parser(prog="slipstream", description="The closed ML loop, from the command line.")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error too")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name in argv:
            configure(name, command)
    return parser


def every_command() -> argparse.ArgumentParser:
    """The parser with all commands: it imports all of them."""
    return _parser(list(COMMANDS))


def module_of(name: str) -> ModuleType:
    """The module of a command."""
    return importlib.import_module(f"include.cli.{name.replace('-', '_')}")


def configure(name: str, parser: argparse.ArgumentParser) -> None:
    """The parser of one command, with `--json` for it and for each of its verbs."""
    module_of(name).configure(parser)
    add_json(parser)


if __name__ == "__main__":
    raise SystemExit(main())
