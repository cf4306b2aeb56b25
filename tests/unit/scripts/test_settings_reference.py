"""docs/reference/settings.md is what the list of variables says."""

from __future__ import annotations

import importlib.util

from include.core.digest import PROJECT
from include.core.environment import VARIABLES

_found = importlib.util.spec_from_file_location("settings_reference", PROJECT / "scripts" / "settings_reference.py")
assert _found is not None
assert _found.loader is not None
script = importlib.util.module_from_spec(_found)
_found.loader.exec_module(script)


def test_the_page_is_what_the_list_says() -> None:
    assert script.PAGE.read_text() == script.page(), "write it anew: .venv/bin/python scripts/settings_reference.py"


def test_every_variable_is_on_the_page() -> None:
    text = script.PAGE.read_text()
    assert [each.name for each in VARIABLES if text.count(f"| `{each.name}` |") != 1] == []
