"""What the linters cannot say of the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("include", "operators", "plugins", "dags", "scripts", "examples", "benchmarks", "tests")


def nested_choices(source: str) -> Iterator[int]:
    """The lines of conditional expressions that stand directly in another one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.IfExp) and any(isinstance(part, ast.IfExp) for part in (node.test, node.body, node.orelse)):
            yield node.lineno


def test_a_nested_choice_is_found() -> None:
    assert list(nested_choices("x = 1\ny = 'a' if x else 'b' if z else 'c'\n")) == [2]
    assert list(nested_choices("y = f('a' if x else 'b') if z else 'c'\n")) == []


def test_no_choice_stands_in_another_one() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in nested_choices(path.read_text())
    ]
    assert found == [], "write an if, or a function with early returns"
