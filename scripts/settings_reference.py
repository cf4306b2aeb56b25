"""Writes docs/reference/settings.md, every environment variable that Slipstream reads, from include/core/environment.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.core.environment import Variable

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "settings.md"

HEAD = """\
# Settings

Every environment variable that Slipstream reads. A setting that is not set has its default; an address may hold a login only
where the table says that the variable is a store's.

Written by `scripts/settings_reference.py` from `include/core/environment.py`: do not edit.
"""
STORE = "May hold a password: only processes that work on the store are told it."
JOBS = "Jobs are told it."


def page() -> str:
    """The whole page."""
    from include.core.environment import GROUPS

    return "\n".join([HEAD, *(_section(title, variables) for title, variables in GROUPS.items())])


def _section(title: str, variables: tuple[Variable, ...]) -> str:
    rows = [f"| `{each.name}` | {each.kind} | {_default(each)} | {_meaning(each)} |" for each in variables]
    table = "\n".join(["| variable | type | default | meaning |", "|---|---|---|---|", *rows])
    return f"## {title}\n\n{table}\n"


def _default(variable: Variable) -> str:
    if variable.derived:
        return variable.derived
    return f"`{variable.default}`" if variable.default else "none"


def _meaning(variable: Variable) -> str:
    return " ".join([variable.doc, *([STORE] if variable.store else []), *([JOBS] if variable.jobs else [])]).replace("|", "\\|")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page())
