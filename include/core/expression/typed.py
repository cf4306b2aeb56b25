"""What type each part of an expression has: every conversion is written into the tree, so that whoever evaluates it has none to
choose. A number with a point is a DOUBLE, one without a BIGINT; where both meet, the whole number becomes a DOUBLE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from include.core.expression.functions import (
    ALIASES,
    ALIKE,
    CASTABLE,
    COMPARISONS,
    NUMERIC,
    PART_NAMES,
    PARTS,
    SIGNATURES,
    TESTS,
    Signature,
)
from include.core.expression.tree import SQL, Call, Case, Cast, Column, Constant, Node, Type
from include.core.nearest import did_you_mean


def typed(node: Node, columns: Mapping[str, Type]) -> Node:
    """The tree with its types; `columns`: what it may read. Raises ValueError that says what does not fit, and what would."""
    if isinstance(node, Constant):
        return node
    if isinstance(node, Column):
        return _column(node, columns)
    if isinstance(node, Cast):
        return _cast(typed(node.of, columns), node.type)
    if isinstance(node, Case):
        return _case(node, columns)
    if node.name == "if":
        return _if(node, columns)
    arguments = tuple(typed(each, columns) for each in node.arguments)
    name = ALIASES.get(node.name, node.name)
    if name == "date_part":
        return _date_part(arguments)
    return _signed(name, arguments) if name in SIGNATURES else _alike(name, arguments)


def as_type(node: Node, wanted: Type) -> Node:
    """The node, converted where that changes no meaning: a whole number to a DOUBLE, NULL to anything."""
    if node.type == wanted:
        return node
    if isinstance(node, Constant) and node.type == "int" and wanted == "float":
        assert isinstance(node.value, int)
        return Constant(float(node.value), "float", node.text)
    return Cast(node, wanted)


def _column(node: Column, columns: Mapping[str, Type]) -> Node:
    known = columns.get(node.name) or columns.get(node.name.lower())
    if known is None:
        raise ValueError(
            f"{node.name!r} is no column here: {did_you_mean(node.name, sorted(columns), 'names')} An expression reads features "
            "of views and of the request, features.request_fields and event_timestamp; a text stands in 'single quotes'"
        )
    return Column(node.name if node.name in columns else node.name.lower(), known)


def _cast(of: Node, wanted: Type) -> Node:
    if wanted not in CASTABLE[of.type]:
        allowed = ", ".join(SQL[each] for each in CASTABLE[of.type]) or "nothing"
        raise ValueError(f"a {SQL[of.type]} cannot be cast to {SQL[wanted]} here, as the forms differ; it can to {allowed}")
    return as_type(of, wanted)


def _case(node: Case, columns: Mapping[str, Type]) -> Node:
    parts = [(typed(condition, columns), typed(value, columns)) for condition, value in node.branches]
    for condition, _ in parts:
        if condition.type not in ("bool", "null"):
            raise ValueError(f"WHEN takes a condition; seen a {SQL[condition.type]}")
    otherwise = typed(node.otherwise, columns)
    together = _together("CASE", [*(value for _, value in parts), otherwise])
    branches = tuple((as_type(condition, "bool"), as_type(value, together)) for condition, value in parts)
    return Case(branches, as_type(otherwise, together), together)


def _if(node: Call, columns: Mapping[str, Type]) -> Node:
    if len(node.arguments) != 3:
        raise ValueError(f"if() takes a condition and two values; seen {len(node.arguments)} arguments")
    condition, value, otherwise = node.arguments
    return _case(Case(((condition, value),), otherwise), columns)


def _date_part(arguments: Sequence[Node]) -> Node:
    first = arguments[0] if len(arguments) == 2 else None
    part = str(first.value).lower() if isinstance(first, Constant) else ""
    if part not in PARTS:
        raise ValueError(f"date_part() takes one of {', '.join(PARTS)} as a text, and a time")
    return _signed(PART_NAMES.get(part, part), arguments[1:])


def _signed(name: str, arguments: Sequence[Node]) -> Node:
    """A call by the first signature that fits."""
    for signature in SIGNATURES[name]:
        if len(signature.takes) == len(arguments) and all(map(_fits, arguments, signature.takes)):
            _check_constants(name, signature, arguments)
            return Call(name, tuple(map(as_type, arguments, signature.takes)), signature.gives)
    seen = ", ".join(SQL[each.type] for each in arguments) or "nothing"
    allowed = " or ".join(f"({', '.join(SQL[each] for each in signature.takes)})" for signature in SIGNATURES[name])
    raise ValueError(f"{_said(name)} takes {allowed}; seen ({seen})")


def _fits(node: Node, wanted: Type) -> bool:
    return node.type in (wanted, "null") or (node.type == "int" and wanted == "float")


def _check_constants(name: str, signature: Signature, arguments: Sequence[Node]) -> None:
    for place, least, most in signature.constants:
        each = arguments[place]
        known = each.value if isinstance(each, Constant) else None
        if not isinstance(known, int) or not least <= known <= most:
            raise ValueError(
                f"{_said(name)} takes a whole number that is written out, {least} to {most}, as argument {place + 1}"
            )


def _alike(name: str, arguments: Sequence[Node]) -> Node:
    if name in TESTS:
        return Call(name, tuple(arguments), "bool")
    least, most = (3, 3) if name == "between" else (2, 2)
    if name in ALIKE:
        least, most = ALIKE[name], 2 if name == "nullif" else 100
    if not least <= len(arguments) <= most:
        raise ValueError(f"{_said(name)} takes {least} to {most} values; seen {len(arguments)}")
    together = _together(_said(name), arguments)
    gives = "bool" if name in (*COMPARISONS, "in", "between") else together
    return Call(name, tuple(as_type(each, together) for each in arguments), gives)


def _together(where: str, nodes: Sequence[Node]) -> Type:
    """The one type of several values. Raises ValueError."""
    found = {node.type for node in nodes} - {"null"}
    if not found:
        raise ValueError(f"{where} has only NULLs: nothing says of which type it is")
    if len(found) == 1:
        return found.pop()
    if found <= {*NUMERIC}:
        return "float"
    raise ValueError(f"{where} has values of several types: {', '.join(sorted(SQL[each] for each in found))}")


def _said(name: str) -> str:
    return name if not name.isidentifier() else f"{name}()"
