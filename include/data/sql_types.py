"""How a spec's keys and features are typed in SQL."""

from __future__ import annotations

from include.core.spec import Feature
from include.core.spec.dtypes import Kind, kind_of

_SCALARS: dict[Kind, str] = {"float": "DOUBLE", "int": "BIGINT", "bool": "BOOLEAN", "category": "VARCHAR", "text": "VARCHAR"}
INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "BOOLEAN"}
WHOLE = INTEGERS - {"BOOLEAN"} | {"UHUGEINT"}


def sql_type(dtype: str) -> str:
    """DuckDB's type of a feature. A vector is a list of float32: of its arrays (FLOAT[64]) a Parquet file with a null in it is
    one that Arrow cannot read."""
    return _SCALARS.get(kind_of(dtype)) or "FLOAT[]"


def default_literal(feature: Feature) -> str:
    """SQL of a feature's default; NULL where it has none."""
    if feature.default is None:
        return "NULL"
    kind = kind_of(feature.dtype)
    if kind in ("category", "text"):
        return "'" + str(feature.default).replace("'", "''") + "'"
    if isinstance(feature.default, tuple):
        return f"[{', '.join(repr(each) for each in feature.default)}]::{sql_type(feature.dtype)}"
    return str(bool(feature.default)).upper() if kind == "bool" else str(float(feature.default))


def key_text(name: str, relation: str = "") -> str:
    """SQL of a key in its one form, text (include/core/keys.py), whatever its type. The query fails on one that is no key.

    Its type is known before the first row is read: of a text column nothing but the column is left.
    """
    column = f'{relation}."{name}"' if relation else f'"{name}"'
    text, type_, whole = f"{column}::VARCHAR", f"typeof({column})", ", ".join(f"'{each}'" for each in sorted(WHOLE))
    digits = f"regexp_replace(regexp_replace({text}, '\\.0*$', ''), '^-0$', '0')"
    no_key = f"error('key {name} is neither text nor a whole number: ' || {text})"
    return f"""CASE WHEN {type_} IN ('VARCHAR', 'UUID', {whole}) OR {type_} LIKE 'ENUM%' THEN {text}
        WHEN {column} IS NULL THEN NULL
        WHEN {type_} = 'DOUBLE' AND regexp_full_match({text}, '-?[0-9]{{1,15}}\\.0') THEN {digits}
        WHEN {type_} = 'FLOAT' AND regexp_full_match({text}, '-?[0-9]{{1,7}}\\.0') THEN {digits}
        WHEN {type_} LIKE 'DECIMAL%' AND regexp_full_match({text}, '-?[0-9]+(\\.0*)?') THEN {digits}
        ELSE {no_key} END"""
