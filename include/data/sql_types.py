"""How a spec's keys and features are typed in SQL."""

from __future__ import annotations

from include.core.spec import Dtype

SQL_TYPES: dict[Dtype, str] = {"float": "DOUBLE", "int": "BIGINT", "category": "VARCHAR"}
INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "BOOLEAN"}
WHOLE = INTEGERS - {"BOOLEAN"} | {"UHUGEINT"}


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
