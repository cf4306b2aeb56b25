"""`slipstream token`: who may ask the gateway for what. A token is shown once; what is kept is its digest.

It is kept in the file of one gateway, or with `--shared` in the control store, where every gateway reads it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.core.catalog import owner_names
from include.core.errors import DataError, NotReadyError, UnreachableError, one_line
from include.core.table import table
from include.core.time import now
from include.serving.http.routes import RIGHTS
from include.serving.http.shared_tokens import WHERE, add_shared, read_shared, remove_shared, rotate_shared
from include.serving.http.tokens import Token, digest, make, named, read_file, write_file

_TOKEN = {
    "name": "its name", "models": "`*` for all", "rights": "what it may", "from": "good from; null: always",
    "until": "good until; null: until it is revoked",
}  # fmt: skip
_MADE = {
    "token": "its text, which is not shown again", **_TOKEN, "path": "the file that keeps its digest, or `the control store`",
}  # fmt: skip
SHAPES: Shapes = {
    "new": _MADE,
    "rotate": {**_MADE, "before": "the old one, with its end: as in `list`"},
    "list": {**_TOKEN, "state": "good, ended or not yet", "kept": "the file, or `the control store`"},
    "revoke": {"name": "of the token that is good no longer"},
}


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    new = verbs.add_parser("new", help="make a token; its text is printed once, on the standard output")
    new.add_argument("--model", nargs="+", required=True, metavar="MODEL", help="the models it is for; '*' for all")
    new.add_argument("--right", nargs="+", required=True, choices=RIGHTS, help=f"what it may: {', '.join(RIGHTS)} (admin: all)")
    new.add_argument("--name", default="", help="for the list, and for refusals; by default made from the model and the right")
    new.add_argument("--shared", action="store_true", help="keep it in the control store: every gateway takes it")
    new.add_argument("--days", type=float, default=None, help="how long it is good for; by default until it is revoked")
    _rotating(verbs.add_parser("rotate", help="a new token with the same rights; the old one stays good for an overlap"))
    verbs.add_parser("list", help="the tokens, without their text")
    verbs.add_parser("revoke", help="end a token now").add_argument("name")


def _rotating(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name")
    parser.add_argument("--overlap-hours", type=float, default=24.0, help="in which the old one is good, too (default: 24)")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    path = Path(context.settings.gateway_tokens)
    act = {"new": _new, "rotate": _rotate, "list": _list, "revoke": _revoke}[options.verb]
    with _locked(path):
        act(options, context, path)
    return 0


def _new(options: argparse.Namespace, context: CliContext, path: Path) -> None:
    known = owner_names(context.settings.models)  # a feature set is pushed to as well
    for model in options.model:
        if model != "*" and model not in known:
            raise DataError("There is no such model.", seen=model, hint=f"models here: {', '.join(known) or 'none'}; or '*'.")
    name = options.name or f"{'all' if '*' in options.model else options.model[0]}-{options.right[0]}-{secrets.token_hex(2)}"
    until = _after(days=options.days) if options.days is not None else None
    text = make()
    made = named(name, digest(text.encode()), options.model, options.right, until)
    tokens, shared = _read(path), _shared(context)
    if any(token.name == name for token in (*tokens, *shared)):
        raise DataError("There is a token of this name.", seen=name, hint="name another one, or rotate or revoke that one.")
    if options.shared:
        add_shared(context.control, made, context.actor)
    else:
        write_file(path, [*tokens, made])
    _show(options, text, made, WHERE if options.shared else str(path))
    if not tokens and not shared:
        where = "every gateway" if options.shared else "this machine"
        print(f"From now on predictions need a token on {where}, too.", file=sys.stderr)


def _rotate(options: argparse.Namespace, context: CliContext, path: Path) -> None:
    old, tokens = _find(context, path, options.name), _read(path)
    base = old.name.partition("@")[0]
    text = make()
    made = named(f"{base}@{now():%Y%m%dT%H%M%S}", digest(text.encode()), old.models, old.rights, old.until)
    ends = _after(hours=options.overlap_hours)
    ends = min(ends, old.until) if old.until is not None else ends
    ended = named(old.name, old.sha256, old.models, old.rights, ends, old.start)
    filed = any(token.name == old.name for token in tokens)
    if filed:
        write_file(path, [*(token if token.name != old.name else ended for token in tokens), made])
    else:
        rotate_shared(context.control, ended, made, context.actor)
    _show(options, text, made, str(path) if filed else WHERE, before=ended)
    print(f"{old.name} is good until {ends:%Y-%m-%d %H:%M:%S} UTC.", file=sys.stderr)


def _revoke(options: argparse.Namespace, context: CliContext, path: Path) -> None:
    gone, tokens = _find(context, path, options.name), _read(path)
    if any(token.name == gone.name for token in tokens):
        write_file(path, [token for token in tokens if token.name != gone.name])
    else:
        remove_shared(context.control, gone.name, context.actor)
    answer(options, {"name": gone.name}, f"{gone.name} is good no longer; running gateways follow within seconds.")


def _list(options: argparse.Namespace, context: CliContext, path: Path) -> None:
    at = now()
    kept = [*((token, str(path)) for token in _read(path)), *((token, WHERE) for token in _shared(context))]
    rows = [[*_cells(token), _state(token, at), where] for token, where in kept]
    words = table(["name", "models", "rights", "from", "until", "", "kept in"], rows) if rows else f"No token is in {path}."
    answer(options, [{**_json(token, at), "kept": where} for token, where in kept], words)


def _cells(token: Token) -> list[str]:
    return [token.name, ", ".join(token.models), ", ".join(token.rights), _when(token.start), _when(token.until)]


def _json(token: Token, at: datetime | None = None) -> dict[str, object]:
    """By the names of `_TOKEN`; with a moment its state then, too."""
    named: dict[str, object] = {
        "name": token.name,
        "models": token.models,
        "rights": token.rights,
        "from": token.start,
        "until": token.until,
    }
    return named if at is None else {**named, "state": _state(token, at)}


def _state(token: Token, at: datetime) -> str:
    if token.valid(at):
        return "good"
    return "ended" if token.until is not None and token.until <= at else "not yet"


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else ""


def _show(options: argparse.Namespace, text: str, made: Token, path: str, before: Token | None = None) -> None:
    shown = {"token": text, **_json(made), "path": path}
    answer(options, shown if before is None else {**shown, "before": _json(before, now())}, text)
    print(
        f"{made.name}: {', '.join(made.rights)} for {', '.join(made.models)}. It is not shown again: {path} keeps its digest. "
        "Running gateways follow within seconds.", file=sys.stderr,
    )  # fmt: skip


def _read(path: Path) -> tuple[Token, ...]:
    """Empty where there is no file yet."""
    try:
        return read_file(path)
    except FileNotFoundError:
        return ()


def _shared(context: CliContext) -> tuple[Token, ...]:
    """Those that all gateways have in common. A file's own are changed also while the control store is away, which is told."""
    try:
        return read_shared(context.control)
    except NotReadyError:
        return ()
    except UnreachableError as error:
        print(f"Tokens of the control store are left out: {one_line(error.what)}", file=sys.stderr)
        return ()


def _find(context: CliContext, path: Path, name: str) -> Token:
    tokens = (*_read(path), *_shared(context))
    found = next((token for token in tokens if token.name == name), None)
    if found is None:
        there = ", ".join(token.name for token in tokens) or "none"
        raise DataError("There is no token of this name.", seen=name, safe="nothing was changed.", hint=f"tokens: {there}.")
    return found


def _after(*, days: float = 0.0, hours: float = 0.0) -> datetime:
    """Raises DataError for a time that is none."""
    try:
        span = timedelta(days=days, hours=hours)
        ends = now().replace(microsecond=0) + span
    except (OverflowError, ValueError):
        span, ends = timedelta(-1), now()
    if span < timedelta(0):
        raise DataError("This is no time to come.", seen=days or hours, hint="give a number above 0.")
    return ends


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two commands at once change the file one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
