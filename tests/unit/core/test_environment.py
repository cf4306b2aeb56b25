"""One list of the environment: nothing else reads a variable, and what others derive from it agrees."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from include.core.digest import PROJECT
from include.core.environment import BOUNDS, SETTINGS, STORES, VARIABLES
from include.core.settings import Settings
from include.core.variable import PREFIX, Variable
from include.serving.http.bounds import Bounds
from include.serving.models.eviction import CacheLimits
from tests.support.sources import files, nodes

ROOTS = ("include", "operators", "plugins", "dags")
LISTS = [
    PROJECT / "include/core" / name
    for name in ("environment.py", "environment_aws.py", "environment_governance.py", "variable.py")
]
# The scheduler imports it before it forks, and may import nothing of ours then: that would go stale in its workers.
# A job's container compares its code before it imports any of it. What forks Pythons is on no path where ours could be imported.
APART = {
    PROJECT / "plugins/slipstream_warm.py",
    PROJECT / "include/backends/sagemaker/arrive.py",
    PROJECT / "include/backends/ray/fork_client.py",
    PROJECT / "include/backends/ray/fork_server.py",
}
KNOWN = {variable.name for variable in VARIABLES}


def test_no_variable_is_listed_twice_and_each_is_explained() -> None:
    assert [name for name, count in Counter(variable.name for variable in VARIABLES).items() if count > 1] == []
    assert [variable.name for variable in VARIABLES if not variable.doc.endswith(".") or not variable.kind] == []


def test_nothing_else_reads_the_environment_by_a_variables_name() -> None:
    """A copy of the whole may be made, and a vendor's variable may be set."""
    found = [f"{path.relative_to(PROJECT)}:{line}" for path in _sources() for line in _reads(path)]
    assert found == []


def test_every_variable_of_ours_that_the_sources_name_is_in_the_list() -> None:
    named = {name for path in (*_sources(), *APART) for name in re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", path.read_text())}
    connections = {name.removeprefix("AIRFLOW_CONN_") for name in KNOWN}
    assert named - KNOWN - connections == set()


def test_the_settings_are_the_lists() -> None:
    assert set(SETTINGS) == {field.name for field in fields(Settings)} - {"environ"}
    assert {name: str(getattr(Settings(), name)) for name, variable in SETTINGS.items() if not variable.derived} == {
        name: variable.default for name, variable in SETTINGS.items() if not variable.derived
    }


def test_the_gateways_bounds_are_the_lists() -> None:
    assert {name: type(getattr(Bounds, name))(variable.default) for name, variable in BOUNDS.items()} == vars(Bounds())
    assert CacheLimits.from_env({}) == CacheLimits()


def test_the_stores_addresses_are_asked_to_no_job() -> None:
    assert {"SLIPSTREAM_CONTROL_URL", "SLIPSTREAM_ONLINE_URL", "SLIPSTREAM_STREAM_URL"} == STORES
    assert [variable.name for variable in VARIABLES if variable.store and variable.jobs] == []


def test_a_variable_is_read_from_the_environment_that_is_given() -> None:
    port = Variable("X_PORT", "port", "A port.", "80")
    assert (port.read({}), port.read({"X_PORT": "81"})) == ("80", "81")
    assert (port.is_set({}), port.is_set({"X_PORT": ""})) == (False, True)
    assert Variable("X", "switch", "A switch.").is_on({"X": "True"})


def _sources() -> Iterator[Path]:
    yield from (path for path in files(*ROOTS) if path not in LISTS and path not in APART)


def _reads(path: Path) -> Iterator[int]:
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("getenv", "getenvb") or (node.func.attr == "get" and _is_environment(node.func.value)):
                yield node.lineno
        elif (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_environment(node.value)) or (
            isinstance(node, ast.Compare) and any(_is_environment(each) for each in node.comparators)
        ):
            yield node.lineno


def _is_environment(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (isinstance(node, ast.Name) and node.id == "environ")
