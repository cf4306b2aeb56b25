"""Whether the project's parser and DuckDB's read one text as one tree.

Each expression's text is parsed by DuckDB, and so is what this project's tree of it is written out as, with a bracket around
every part. Two trees that are equal leave no room for another reading of an operator's hold or of a name.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb

from include.core.errors import SpecError
from include.core.expression.parser import parse
from include.core.json_types import Json
from include.request_features.sql import plain

_WRITING = ("query_location", "query_location_length", "qualified_name")  # where it stands, and the names once more


def check_reading(connection: duckdb.DuckDBPyConnection, name: str, expression: str) -> None:
    """Raises SpecError where DuckDB reads the expression of that feature otherwise, or not at all."""
    theirs, ours = (_tree(connection, text) for text in (expression, plain(parse(expression))))
    if theirs is None or theirs != ours:
        raise SpecError(
            f"DuckDB reads the expression of {name!r} otherwise than it is read here.",
            seen={"expression": expression, "read as": plain(parse(expression))},
            safe="nothing was computed by it.",
            hint="put brackets around its parts.",
        )


def _tree(connection: duckdb.DuckDBPyConnection, expression: str) -> Json:
    """DuckDB's parse tree without places and names' writing; None for a text that it cannot parse."""
    text = connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [f"SELECT {expression}"]).fetchall()[0][0]
    found = json.loads(text)
    if found.get("error") or len(found["statements"]) != 1:
        return None
    whole: Json = _bare(found["statements"][0])
    return whole


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _bare(each.lower() if key == "type_name" else each) for key, each in value.items() if key not in _WRITING}
