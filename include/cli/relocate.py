"""`slipstream relocate`: after an installation was moved, or to make what earlier releases stored independent of its place."""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import found
from include.core.errors import ConflictError, PermanentError
from include.core.private_files import write_private
from include.core.settings import Settings
from include.core.table import table
from include.governance.relocation import Moved, relocate, unresolved
from include.local.connections import former_home, read_file
from include.local.platform import Platform

SHOWN = 5
SHAPES: Shapes = {
    "": {
        "home": "of the installation", "former": "where it was; null where it was not moved", "changed": "false with --dry-run",
        "places": "`place`, `seen`, `rewritten`", "damaged": "files that were left as they are",
        "references": "how many published days and versions hold", "unresolved": "those that lead nowhere, in words",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be rewritten")


def run(options: argparse.Namespace) -> int:
    """FOUND where some reference leads nowhere: the state is not whole here."""
    home = Settings.from_env().home
    _require_ours(home)
    context = open_context()
    former = former_home(home)
    _settle_home(home, former, dry_run=options.dry_run)
    moved = relocate(context.ledger, context.control, dry_run=options.dry_run)
    _print(moved, dry_run=options.dry_run)
    count, wrong = unresolved(context.ledger, context.control)
    _print_references(context, count, wrong)
    places = [{"place": place, "seen": seen, "rewritten": moved.rewritten[place]} for place, seen in moved.seen.items()]
    gone = former if former not in ("", str(home)) else None
    checked = {"damaged": moved.damaged, "references": count, "unresolved": wrong}
    answer(options, {"home": home, "former": gone, "changed": not options.dry_run, "places": places, **checked})
    return found(wrong or moved.damaged)


def _require_ours(home: Path) -> None:
    """Everything must be readable and writable by who runs the installation from now on."""
    closed = list(_closed(home))
    if closed:
        raise PermanentError(
            f"{len(closed)} files and folders under {home} belong to another user.",
            seen=[str(path) for path in closed[:SHOWN]],
            safe="nothing was changed.",
            hint=f"as root: chown -R {getpass.getuser()} {home}",
        )


def _closed(home: Path) -> Iterator[Path]:
    """Without the databases of the embedded PostgreSQL: those take care of themselves when they start."""
    for folder, folders, files in os.walk(home):
        folders[:] = [name for name in folders if Path(folder, name) != home / "postgres"]
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            if not path.is_symlink() and not os.access(path, os.R_OK | os.W_OK):
                yield path


def _settle_home(home: Path, former: str, *, dry_run: bool) -> None:
    """What the former place's processes left, and the addresses that name it. Raises ConflictError while a platform runs here."""
    if former in ("", str(home)):
        return
    print(f"{home} was {former}.")
    if dry_run:
        return
    _require_stopped(Platform(home))
    values = read_file(home)
    shutil.rmtree(home / "run", ignore_errors=True)  # process numbers and ports of elsewhere
    write_private(home / "connections.env", "".join(f"{name}={value}\n" for name, value in values.items()))


def _require_stopped(platform: Platform) -> None:
    from include.local.supervisor import Supervisor

    if Supervisor(platform).running():
        raise ConflictError(
            f"The platform in {platform.home} runs.", safe="nothing was changed.", hint="`make down`, then this command again."
        )


def _print(moved: Moved, *, dry_run: bool) -> None:
    what = "to be rewritten" if dry_run else "rewritten"
    print(table(("where", "looked at", what), [(place, count, moved.rewritten[place]) for place, count in moved.seen.items()]))
    if moved.damaged:
        print(f"{len(moved.damaged)} files are damaged, and were left as they are: {', '.join(moved.damaged[:SHOWN])}")


def _print_references(context: CliContext, count: int, wrong: list[str]) -> None:
    if not wrong:
        print(f"All {count} references of published days and versions lead to their results under {context.settings.root}.")
        return
    print(f"{len(wrong)} of {count} references of published days and versions lead nowhere under {context.settings.root}:")
    print(
        "\n".join(f"  {line}" for line in wrong[:SHOWN])
        + (f"\n  ... and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else "")
    )
    print("Is the copy whole, and SLIPSTREAM_ROOT right?")
