"""Writes what lists the environment variables that Slipstream reads, from include/core/environment.py.

docs/reference/settings.md has all of them; helm/slipstream/values.schema.json the names that `settings.more` may have.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.core.variable import Variable

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "settings.md"
CHART = ROOT / "helm" / "slipstream"
SCHEMA = CHART / "values.schema.json"
# By kind: what comes from Secrets, and what is of one machine or of tests.
NO_VALUE = ("connection", "secret", "port", "JSON")

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


def schema() -> str:
    """The chart's schema with the names of today."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text())
    found["properties"]["settings"]["properties"]["more"]["propertyNames"]["enum"] = names()
    return json.dumps(found, indent=2) + "\n"


def names() -> list[str]:
    """The variables that a user of the chart may set besides its own values: no secret, and none that a template writes."""
    from include.core.environment import PATH, VARIABLES

    written = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", "".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))))
    free = (each for each in VARIABLES if not each.store and each.kind not in NO_VALUE and each != PATH)
    return sorted(each.name for each in free if each.name not in written)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page())
    SCHEMA.write_text(schema())
