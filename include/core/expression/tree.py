"""The tree of an expression: five kinds of node, each of which knows its type once it was typed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Type = Literal["float", "int", "bool", "text", "time", "null"]
SQL: dict[Type, str] = {
    "float": "DOUBLE",
    "int": "BIGINT",
    "bool": "BOOLEAN",
    "text": "VARCHAR",
    "time": "TIMESTAMP",
    "null": "NULL",
}


@dataclass(frozen=True)
class Constant:
    value: float | int | bool | str | None
    type: Type
    text: str = ""  # of a number, as it was written


@dataclass(frozen=True)
class Column:
    name: str
    type: Type = "null"


@dataclass(frozen=True)
class Call:
    """An operator or a function by its one name (include/core/expression/functions.py)."""

    name: str
    arguments: tuple[Node, ...]
    type: Type = "null"


@dataclass(frozen=True)
class Case:
    branches: tuple[tuple[Node, Node], ...]  # condition, value
    otherwise: Node
    type: Type = "null"


@dataclass(frozen=True)
class Cast:
    of: Node
    type: Type


Node = Constant | Column | Call | Case | Cast


def children(node: Node) -> tuple[Node, ...]:
    """What a node is made of, in order."""
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Case):
        return (*(part for branch in node.branches for part in branch), node.otherwise)
    return (node.of,) if isinstance(node, Cast) else ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def is_small(node: Node, deepest: int, most: int) -> bool:
    """Whether it has at most so many levels, and parts: an operand that several branches of a CASE compare counts in each."""
    levels, parts = [(node, 1)], 0
    while levels:
        each, level = levels.pop()
        parts += 1
        if level > deepest or parts > most:
            return False
        levels += [(child, level + 1) for child in children(each)]
    return True


def columns_of(node: Node) -> tuple[str, ...]:
    """The names that an expression reads, each once, in the order of their first use."""
    return tuple(dict.fromkeys(each.name for each in walk(node) if isinstance(each, Column)))
