"""What may import what among the tests: a suite stands on itself and on tests/support, and nothing on a test module."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.scheduling import SHARED, next_scope
from tests.support.sources import nodes

ROOT = Path(__file__).parents[2]
FILES = [
    name
    for name in subprocess.check_output(["git", "ls-files", "tests", "benchmarks"], cwd=ROOT, text=True).splitlines()
    if name.endswith(".py") and (ROOT / name).exists()
]
MODULES = {name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in FILES}
# What anyone may import besides tests/support.
# The shop is a model that several suites train; stored requests name its package, also those of an earlier release's fixture.
OPEN = ("tests.unit.operators.models",)
# Programs with trials of their own (make chaos, make hands), and the tests that run a sample of them.
PROGRAMS = {
    "tests/integration/test_chaos_sample.py": "tests.chaos",
    "tests/integration/test_operator_hands.py": "tests.hands",
    "tests/unit/test_scheduler_trials.py": "tests.chaos",
    "tests/hands/record.py": "tests.chaos",  # one page shows the records of both
    "tests/conftest.py": "tests.scheduling",
    "tests/integration/conftest.py": "tests.scheduling",
    "tests/unit/test_suites.py": "tests.scheduling",
}


def imported(name: str) -> Iterator[str]:
    """The modules under `tests` that a file imports."""
    for node in nodes(ROOT / name):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (module if module in MODULES else node.module for module in whole)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def suite(module: str) -> str:
    """`tests.contract`, or of the unit tests the folder: `tests.unit.rollout`."""
    parts = MODULES.get(module, module).removesuffix(".py").replace("/", ".").split(".")
    return ".".join(parts[: 3 if parts[:2] == ["tests", "unit"] else 2])


@cache
def imports() -> dict[str, list[str]]:
    """By file, what it imports of the tests; not at the top of this module, which every process of the tests imports."""
    return {name: sorted({module for module in imported(name) if module.startswith("tests.")}) for name in FILES}


def offending(offends: Callable[[str, str], bool]) -> dict[str, list[str]]:
    """The files with an import that `offends(file, module)`, and those imports."""
    found = {name: [module for module in modules if offends(name, module)] for name, modules in imports().items()}
    return {name: modules for name, modules in found.items() if modules}


def test_no_module_imports_a_test_module() -> None:
    assert offending(lambda _, module: module.split(".")[-1].startswith("test_")) == {}


def test_a_suite_imports_itself_and_what_the_suites_share() -> None:
    def foreign(name: str, module: str) -> bool:
        shared = ("tests.support", *OPEN, PROGRAMS.get(name, "tests.support"))
        own = suite(name.removesuffix(".py").replace("/", "."))
        return not module.startswith(shared) and suite(module) != own

    assert offending(foreign) == {}


def test_what_the_suites_share_knows_no_suite() -> None:
    def knows(name: str, module: str) -> bool:
        return name.startswith("tests/support/") and not module.startswith(("tests.support", *OPEN))

    assert offending(knows) == {}


def test_what_runs_in_one_process_is_there() -> None:
    assert SHARED.keys() <= set(FILES)


def test_the_modules_that_share_an_airflow_run_in_one_process() -> None:
    asking = {
        name for name in FILES if name.startswith("tests/integration/test_") and "SharedAirflow" in (ROOT / name).read_text()
    }
    assert asking == {name for name, scope in SHARED.items() if scope == "airflow"}


def test_tests_that_wait_run_beside_tests_that_compute() -> None:
    scopes = ["tests/contract/test_jobs.py", "mlflow", "tests/unit/core/test_ledger.py", "tests/unit/core/test_keys.py"]
    assert next_scope(scopes, waits=True) == "tests/contract/test_jobs.py"
    assert next_scope(scopes, waits=False) == "tests/unit/core/test_ledger.py"
    assert next_scope(scopes[:2], waits=False) is None  # whoever has none of its own helps with the others
