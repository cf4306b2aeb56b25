"""The table of vendors, and who asks it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from include.core.adapters import ADAPTERS
from include.core.digest import PROJECT
from tests.support.sources import files, nodes

ROOTS = ("include", "operators", "plugins", "dags")
# The modules beside a port: each gives what the table names the port's type.
OPENERS = {
    "include/evaluation/explained.py",
    "include/governance/anchor_places.py",
    "include/core/ports.py",
    "include/core/secret_store.py",
    "include/core/storage.py",
    "include/features/online/materialize.py",
    "include/governance/approval.py",
    "include/governance/conversion.py",
    "include/governance/mirror.py",
    "include/governance/registry.py",
    "include/handover/estimator.py",
    "include/handover/remote.py",
    "include/handover/source.py",
    "include/landing/warehouse.py",
    "include/model_contract/model.py",
    "include/monitoring/drift_report.py",
    "include/core/error_reports.py",
    "include/core/tracing.py",
    "include/event_log/open.py",
    "include/forgetting/registry_server.py",
    "include/online_store/open.py",
    "include/retrieval/nearest.py",
    "include/rollout/endpoint_rails.py",
    "include/scoring/batches.py",
    "include/serving/target.py",
    "include/training/search/executor.py",
    "include/training/search/followed.py",
    "include/training/search/suggest.py",
    "include/training/tracking.py",
    "include/validation/port.py",
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_each_name_is_a_vendors(name: str) -> None:
    module, _, function = ADAPTERS[name].partition(":")
    assert module.startswith("include.backends."), f"{name} names a stage: import it, or hand it in"
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    tree = ast.parse(Path(found.origin).read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_only_a_ports_own_opener_asks_the_table() -> None:
    callers = {str(path.relative_to(PROJECT)) for path, _ in _calls()["adapter"]}
    assert callers == OPENERS


def test_no_stage_loads_another_by_name() -> None:
    """`load` is for what an author names in a spec: a constant that names our own code hides an import from the linter."""
    hidden = {
        f"{path.relative_to(PROJECT)}: {text}"
        for path, call in _calls()["load"]
        for text in _constants(call)
        if text.startswith("include.") and not text.startswith("include.models")
    }
    assert hidden == set()


def _sources() -> Iterator[Path]:
    yield from (path for path in files(*ROOTS) if path.name != "adapters.py")


@cache  # all the sources are read for it
def _calls() -> dict[str, list[tuple[Path, ast.Call]]]:
    """The calls of each of these functions."""
    found: dict[str, list[tuple[Path, ast.Call]]] = {"adapter": [], "load": []}
    for path in _sources():
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in found:
                found[node.func.id].append((path, node))
    return found


def _constants(call: ast.Call) -> Iterator[str]:
    for argument in call.args:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value
