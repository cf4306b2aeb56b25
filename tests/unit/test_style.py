"""What the linters cannot say of the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from tests.support.sources import PROJECT, files, nodes

FOLDERS = ("include", "operators", "plugins", "dags", "scripts", "examples", "benchmarks", "tests")


def nested_choices(nodes: Iterable[ast.AST]) -> Iterator[int]:
    """The lines of conditional expressions that stand directly in another one."""
    for node in nodes:
        if isinstance(node, ast.IfExp) and any(isinstance(part, ast.IfExp) for part in (node.test, node.body, node.orelse)):
            yield node.lineno


def test_a_nested_choice_is_found() -> None:
    assert list(nested_choices(ast.walk(ast.parse("x = 1\ny = 'a' if x else 'b' if z else 'c'\n")))) == [2]
    assert list(nested_choices(ast.walk(ast.parse("y = f('a' if x else 'b') if z else 'c'\n")))) == []


def test_no_choice_stands_in_another_one() -> None:
    found = [f"{path.relative_to(PROJECT)}:{line}" for path in files(*FOLDERS) for line in nested_choices(nodes(path))]
    assert found == [], "write an if, or a function with early returns"
