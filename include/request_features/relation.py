"""Expressions over the rows of a relation, by DuckDB: training sets, batches and what the gateway is held against."""

from __future__ import annotations

from include.core.expression.checked import TIME
from include.core.expression.tree import columns_of
from include.core.spec import Feature
from include.data.sql_types import default_literal, sql_type
from include.request_features.compiled import LARGEST, whole_default
from include.request_features.definition import RequestFeatures
from include.request_features.sql import typed_sql


def with_computed(rows: str, wanted: RequestFeatures) -> str:
    """SQL: every column of `rows` (SQL), and each computed feature beside them, NULL where it has no value.

    `rows` has event_timestamp and what is read by its name, of the dtype's SQL type; NULL and NaN are unknown, and become the
    default where there is one.
    """
    sql = rows
    for expression in wanted.expressions:
        own = wanted.features[expression.name]
        read = {name: _operand(wanted.features[name]) for name in columns_of(expression.node) if name != TIME}
        found = f'({typed_sql(expression.node, read)})::{sql_type(own.dtype)} AS "{own.name}"'
        sql = f"SELECT *, {found} FROM ({sql})"
        if own.dtype == "float":  # what is no finite number, or none of a float32, has no value
            name = f'"{own.name}"'
            sql = f"SELECT * REPLACE (CASE WHEN abs({name}) <= {LARGEST}::DOUBLE THEN {name} END AS {name}) FROM ({sql})"
    return sql


def _operand(feature: Feature) -> str:
    """A column as an expression reads it."""
    column = f'"{feature.name}"::{sql_type(feature.dtype)}'
    known = f"(CASE WHEN NOT isnan({column}) THEN {column} END)" if feature.dtype == "float" else column
    if feature.default is None:
        return known
    literal = str(whole_default(feature.default)) if feature.dtype == "int" else default_literal(feature)
    return f"coalesce({known}, {literal}::{sql_type(feature.dtype)})"
