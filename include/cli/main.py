"""The `slipstream` command. Works while Airflow is down: it reads the ledger and the control store itself."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback

from include.core.errors import SlipstreamError
from include.core.private_files import set_mask

# Each is a module with `configure(parser)` and `run(options) -> exit status`, imported only when it is asked for.
COMMANDS = {
    "status": "what answers, and where every model stands",
    "predict": "ask a model, through the gateway or without it",
    "versions": "a model's registered versions",
    "register": "take in a model that was trained elsewhere",
    "backtest": "the walk-forward table of the versions",
    "rollout": "look at a rollout; pause, resume or abort it",
    "rollback": "return to the champion before, now",
    "restore": "offer a version again that had its turn, or return to it now",
    "mirror": "show the versions' stages in the registry again",
    "reconcile": "what nobody drives or waits for, and mend it",
    "policy": "what a retraining policy would have done, and cost",
    "trace": "walk from a served model back to its raw data",
    "profile": "propose expectations from a raw partition",
    "features": "bring online what is published and is not there",
    "quarantine": "the rows that validation set aside, and which would pass now",
    "redact": "take a person's requests out of the prediction log",
    "invalidate": "have something computed again",
    "cancel": "stop a job",
    "token": "who may ask the gateway for what",
    "jobs": "the jobs under way, and who waits for each",
    "relocate": "after an installation was moved: rewrite what names its former place",
    "upgrade": "bring the stores of an earlier release up to this one",
    "audit": "whether anybody edited history: verify it, seal it",
    "demo": "run the whole loop on real flights",
}


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 an error that is explained, 2 wrong usage."""
    given = sys.argv[1:] if argv is None else argv
    options = _parser(given).parse_args(given)
    set_mask()
    try:
        command = importlib.import_module(f"include.cli.{options.command}")
        # `token` takes several, which may be models to come.
        if isinstance(getattr(options, "model", None), str) and not getattr(command, "RAW_ALONE", False):
            _require_model(options.model)
        status: int = command.run(options)
        sys.stdout.flush()
    except SlipstreamError as error:
        if options.debug:
            traceback.print_exc()
        print(explain(error), file=sys.stderr)
        return 1
    except BrokenPipeError:  # `slipstream versions ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def _require_model(name: str) -> None:
    """One check for every command that takes a model, those to come as well. Raises DataError."""
    from include.cli.context import open_context
    from include.overview.models import require_model

    context = open_context()
    require_model(name, context.settings.models, lambda: context.control_if_there)


def explain(error: SlipstreamError) -> str:
    """The error on lines of its own: what, seen, safe, next."""
    what, *others = error.lines()
    return "\n".join([f"error: {what}", *(f"  {line[0].lower()}{line[1:]}" for line in others)])


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slipstream", description="The closed ML loop, from the command line.")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error too")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name in argv:  # the others are not imported
            importlib.import_module(f"include.cli.{name}").configure(command)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
