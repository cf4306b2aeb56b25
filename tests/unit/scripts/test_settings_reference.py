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


def test_the_charts_schema_knows_the_variables_of_the_list() -> None:
    assert script.SCHEMA.read_text() == script.schema(), "write it anew: .venv/bin/python scripts/settings_reference.py"


def test_a_user_of_the_chart_may_set_no_secret_and_nothing_that_the_chart_sets_itself() -> None:
    names = set(script.names())
    assert {"SLIPSTREAM_SQL_MEMORY", "AWS_REGION"} <= names
    assert not {"SLIPSTREAM_CONTROL_URL", "SLIPSTREAM_ROOT", "MLFLOW_ADMIN_PASSWORD", "PATH"} & names
    assert not [name for name in names if name.startswith("AIRFLOW_CONN_")]
