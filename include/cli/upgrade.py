"""`slipstream upgrade`: the stores that an earlier release has made become those of this one, once, while nothing runs.

The control store is migrated in one transaction. The ledger, the online store and the prediction log are read as they are: each
of their files, rows and lines says which version of its format it has. What has to be computed again, because code is part of
every key, is said and not done.
"""

from __future__ import annotations

import argparse

from include.cli.anew import anew
from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.cli.writers import Writer, writers
from include.core.address import shown
from include.core.control import ControlStore
from include.core.errors import ConflictError
from include.core.schema import HEAD
from include.core.schema.migrate import Migrated, count_left, migrate, pending, read_number
from include.core.table import table

SHAPES: Shapes = {
    "": {
        "place": "of the control store", "schema": "its number before; null: an empty database", "head": "this release's number",
        "steps": "the migrations: `number`, `what`", "documents": "that move out of the effects",
        "writers": "what may still write: `what`, `stop`", "anew": "what will be computed again, and why, in words",
        "changed": "whether anything was",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run(options: argparse.Namespace) -> int:
    """Doing it again changes nothing. Raises ConflictError while processes of the earlier release may write."""
    context = open_context()
    control = context.any_control
    number, place = read_number(control), shown(control.url)
    if number is None:
        return _make(options, control, context.actor)
    steps, left = pending(number), count_left(control)
    needed, writing = bool(steps or left), list[Writer]()
    if not needed:
        print(f"The control store at {place} has the schema of this release ({HEAD}): nothing is to be migrated.")
    elif options.dry_run:
        _tell_plan(control, number, left)
        _tell_writers(writing := writers(context))
    else:
        _refuse_writers(writers(context))
        _tell_done(place, migrate(control, context.actor), left)
    print("The ledger, the online store and the prediction log are read as they are.")
    lines = list(anew(context))
    print(*lines, sep="\n", end="\n" if lines else "")
    if options.dry_run:
        print("Nothing was changed.")
    migrated = {"place": place, "schema": number, "head": HEAD, "steps": steps, "documents": left, "writers": writing}
    answer(options, {**migrated, "anew": lines, "changed": needed and not options.dry_run})
    return 0


def _make(options: argparse.Namespace, control: ControlStore, actor: str) -> int:
    """An empty database, which nobody can write to yet, gets this release's tables."""
    place = shown(control.url)
    if options.dry_run:
        print(f"The control store at {place} is an empty database: it would be made, with the schema of this release ({HEAD}).")
        print("Nothing was changed.")
    else:
        migrate(control, actor)
        print(f"The control store at {place} was an empty database. It was made, with the schema of this release ({HEAD}).")
    made: dict[str, object] = {
        "place": place,
        "schema": None,
        "head": HEAD,
        "steps": (),
        "documents": 0,
        "writers": [],
        "anew": [],
    }
    answer(options, {**made, "changed": not options.dry_run})
    return 0


def _tell_plan(control: ControlStore, number: int | None, left: int) -> None:
    print(f"The control store at {shown(control.url)} has schema {number}; this release needs {HEAD}. To be done:")
    rows = [(step.number, step.what) for step in pending(number)]
    print(table(("schema", "what"), [*rows, ("", f"{left} documents move out of the effects")]))


def _tell_writers(found: list[Writer]) -> None:
    if found:
        print("It would be refused now, for these may write:")
        print(table(("what runs", "to stop it"), [(each.what, each.stop) for each in found]))


def _refuse_writers(found: list[Writer]) -> None:
    if found:
        raise ConflictError(
            f"The stores are not upgraded while these may write: {'; '.join(each.what for each in found)}.",
            safe="nothing was changed.",
            hint=f"{'; '.join(dict.fromkeys(each.stop for each in found))}; then: slipstream upgrade.",
        )


def _tell_done(place: str, done: Migrated, left: int) -> None:
    if done.steps:
        print(f"The control store at {place} was migrated from schema {done.before} to {HEAD}:")
        print(table(("schema", "what"), [(step.number, step.what) for step in done.steps]))
        print(f"{left} documents moved out of the effects.")
    else:
        print(f"{done.documents} documents, which a process of an earlier release had written since, moved out of the effects.")
