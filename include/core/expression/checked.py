"""The expressions of one model together: each typed over what it may read, in the order in which they are computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from include.core.expression.parser import parse
from include.core.expression.tree import SQL, Node, Type, columns_of
from include.core.expression.typed import as_type, typed

TIME = "event_timestamp"  # the moment that is asked about: UTC, without zone
TYPES: dict[str, Type] = {"float": "float", "int": "int", "bool": "bool", "category": "text", "text": "text"}


class Written(NamedTuple):
    """A feature as its author wrote it."""

    name: str
    dtype: str
    expression: str


class Expression(NamedTuple):
    """One that is fit to be computed once those before it are."""

    name: str
    node: Node


def checked(written: Sequence[Written], given: Mapping[str, str]) -> list[Expression]:
    """In an order in which each comes after what it reads; `given`: what comes with a request or is looked up, and its dtype.

    Raises ValueError that names the feature, what was seen, and what is allowed.
    """
    dtypes = {**given, **{each.name: each.dtype for each in written}}
    columns: dict[str, Type] = {name: TYPES[dtype] for name, dtype in dtypes.items() if dtype in TYPES}
    columns[TIME] = "time"
    nodes = {each.name: _node(each, columns, dtypes) for each in written}
    return [Expression(name, nodes[name]) for name in _order(nodes)]


def _node(written: Written, columns: Mapping[str, Type], dtypes: Mapping[str, str]) -> Node:
    wanted = TYPES.get(written.dtype)
    try:
        if wanted is None:
            raise ValueError(f"gives one value, and {written.dtype} is several numbers; {', '.join(TYPES)} can be computed")
        tree = parse(written.expression)
        vectors = [name for name in columns_of(tree) if dtypes.get(name, "").startswith("vector")]
        if vectors:
            raise ValueError(f"{vectors} is a vector, which no expression reads; {', '.join(TYPES)} can be read")
        node = typed(tree, columns)
        if node.type != wanted and not (node.type in ("int", "null") and wanted == "float"):
            raise ValueError(f"gives a {SQL[node.type]}, and dtype={written.dtype!r} is {SQL[wanted]}; cast it, or say its dtype")
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, ValueError) else "is nested too deep"
        raise ValueError(f"the expression of {written.name!r}: {said} (seen: {written.expression!r:.120})") from None
    return as_type(node, wanted)


def _order(nodes: Mapping[str, Node]) -> Iterable[str]:
    """Those that others read first; else as they were written."""
    reads = {name: [each for each in columns_of(node) if each in nodes] for name, node in nodes.items()}
    try:
        return list(TopologicalSorter(reads).static_order())
    except CycleError as error:
        circle = " reads ".join(map(repr, reversed(error.args[1])))
        raise ValueError(f"expressions in a circle: {circle}; one of them must be given by the request or a view") from None
