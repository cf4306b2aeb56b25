"""The house rules that no linter holds: short files, short functions, nothing left for later, include/ without Airflow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import PROJECT as ROOT
from tests.support.sources import files, nodes

FOLDERS = ("include", "operators", "plugins", "dags")
FILES = files(*FOLDERS)
LINES_A_FILE, LINES_A_FUNCTION = 400, 50
LEFT_FOR_LATER = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """(where, lines) of every function."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def imported(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_walk_finds_the_project() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(FOLDERS)
    assert len(FILES) > 100


def test_no_file_is_over_400_lines() -> None:
    counts = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: count for name, count in counts.items() if count > LINES_A_FILE} == {}


def test_no_function_is_over_50_lines() -> None:
    assert {where: lines for path in FILES for where, lines in functions(path) if lines > LINES_A_FUNCTION} == {}


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if LEFT_FOR_LATER.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("forbidden", ["airflow", "operators"])
def test_include_does_not_know_airflow(forbidden: str) -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in FILES
        if path.is_relative_to(ROOT / "include") and any(name.split(".")[0] == forbidden for name in imported(path))
    ]
    assert found == []


def test_nothing_raises_not_implemented() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Raise) and node.exc is not None
        if "NotImplementedError" in ast.unparse(node.exc)
    ]
    assert found == []
