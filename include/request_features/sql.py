"""Expressions as DuckDB's SQL: plain, to hold it against the author's text, and typed, to be run.

In the typed form every operation that could fail for a value has none for it instead (TRY): nothing then depends on the order in
which DuckDB evaluates, or on what its optimizer leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping

from include.core.expression.tree import SQL, Case, Cast, Column, Constant, Node

INFIX = ("+", "-", "*", "/", "//", "%", "**", "^", "=", "<>", "!=", "<", "<=", ">", ">=", "and", "or", "||")
_DISTINCT = {"distinct": "IS DISTINCT FROM", "not_distinct": "IS NOT DISTINCT FROM"}
_NULL = {"is_null": "IS NULL", "is_not_null": "IS NOT NULL"}
_FAILING = {"+", "-", "*", "//", "%", "neg", "abs"}  # of whole numbers: beyond 64 bits, by zero


def plain(node: Node) -> str:
    """The expression with a pair of brackets around each part, and nothing else added: it has the author's tree."""
    if isinstance(node, Constant):
        return node.text or _literal(node)
    if isinstance(node, Cast):
        return f"CAST({plain(node.of)} AS {SQL[node.type]})"
    if isinstance(node, Column):
        return _quoted(node.name)
    if isinstance(node, Case):
        branches = " ".join(f"WHEN {plain(condition)} THEN {plain(value)}" for condition, value in node.branches)
        return f"CASE {branches} ELSE {plain(node.otherwise)} END"
    return _call(node.name, [plain(each) for each in node.arguments])


def typed_sql(node: Node, columns: Mapping[str, str]) -> str:
    """The expression to be run. `columns`: SQL of what stands for a name, where that is not the column itself."""

    def of(each: Node) -> str:
        return typed_sql(each, columns)

    if isinstance(node, Constant):
        return f"{_literal(node)}::{SQL[node.type]}" if node.type != "null" else "NULL"
    if isinstance(node, Column):
        return columns.get(node.name) or _quoted(node.name)
    if isinstance(node, Cast):
        cast = f"CAST({of(node.of)} AS {SQL[node.type]})"
        return f"TRY({cast})" if node.of.type == "float" and node.type == "int" else cast
    if isinstance(node, Case):
        branches = " ".join(f"WHEN {of(condition)} THEN {of(value)}" for condition, value in node.branches)
        return f"CASE {branches} ELSE {of(node.otherwise)} END"
    arguments = [of(each) for each in node.arguments]
    if node.name == "round":  # DuckDB takes no BIGINT for the places
        arguments[1:] = [f"CAST({each} AS INTEGER)" for each in arguments[1:]]
    made = _call(node.name, arguments)
    if node.type == "int" and node.name in _FAILING:
        return f"TRY(CAST({made} AS BIGINT))"
    return f"CAST({made} AS {SQL[node.type]})" if node.type in ("int", "float") else made


def _call(name: str, arguments: list[str]) -> str:
    if name in INFIX:
        return f"({arguments[0]} {name.upper()} {arguments[1]})"
    if name == "not":
        return f"(NOT {arguments[0]})"
    if name == "neg":
        return f"(-{arguments[0]})"
    if name in _NULL:
        return f"({arguments[0]} {_NULL[name]})"
    if name in _DISTINCT:
        return f"({arguments[0]} {_DISTINCT[name]} {arguments[1]})"
    if name == "in":
        return f"({arguments[0]} IN ({', '.join(arguments[1:])}))"
    if name == "between":
        return f"({arguments[0]} BETWEEN {arguments[1]} AND {arguments[2]})"
    return f"{name}({', '.join(arguments)})"


def _literal(node: Constant) -> str:
    if node.value is None:
        return "NULL"
    if isinstance(node.value, bool):
        return str(node.value).upper()
    if isinstance(node.value, str):
        return "'" + node.value.replace("'", "''") + "'"
    return repr(node.value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
