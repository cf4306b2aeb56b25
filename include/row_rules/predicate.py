"""Row rules as SQL: the same quarantine decision wherever a raw partition is read, in whatever order.

Only `on_failure="quarantine"` rules count. A rule about one row becomes a boolean expression, true for a good
row; missing values (NULL, and NaN as pandas has it) break only a not-null rule, as in great_expectations.
Uniqueness looks at other rows of the partition: its first row, in file order, is kept. So it cannot stand in
a WHERE clause, and `good_rows` writes the whole SELECT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from include.core.errors import SpecError
from include.data.columns import ROW, Types, rows, stored
from include.data.session import open_session
from include.data.sql import identifier as identifier
from include.data.sql import literal as literal
from include.row_rules.expectation import Expectation, load_suite

TYPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "str": ("VARCHAR",),
        "bool": ("BOOLEAN",),
        "int8": ("TINYINT",),
        "int16": ("SMALLINT",),
        "int32": ("INTEGER",),
        "int64": ("BIGINT",),
        "int": ("BIGINT",),
        "uint8": ("UTINYINT",),
        "uint16": ("USMALLINT",),
        "uint32": ("UINTEGER",),
        "uint64": ("UBIGINT",),
        "float32": ("FLOAT",),
        "float64": ("DOUBLE",),
        "float": ("DOUBLE",),
        "datetime64": ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE"),
    }
)


def predicates(expectations: str, source: str) -> str:
    """A DuckDB boolean expression over a source's columns: this row is good. "TRUE" if no rule says otherwise.

    Rules about uniqueness are not in it: use `good_rows` where a source has one.
    """
    return _all(predicate(rule) for rule in quarantine_rules(expectations, source) if not is_unique(rule))


def good_rows(expectations: str, source: str, files: Sequence[str], types: Types | None = None) -> str:
    """A SELECT of the good rows of raw partitions, every rule applied within each file.

    The files all have columns of these types, by default those of the first.
    """
    rules = [rule for rule in quarantine_rules(expectations, source) if is_unique(rule)]
    if types is None:
        with open_session() as connection:
            types = stored(connection, files[0])
    good = predicates(expectations, source)
    if not rules:
        return f"SELECT * FROM {rows(files, types)} WHERE {good}"
    first = _all(first_of_its_key(rule) for rule in rules)
    each = (rows([file], types, numbered=True) for file in files)
    return " UNION ALL ".join(f"(SELECT * EXCLUDE ({ROW}) FROM {file} WHERE {good} QUALIFY {first})" for file in each)


def quarantine_rules(expectations: str, source: str) -> list[Expectation]:
    return [rule for rule in load_suite(expectations, source).rules if rule.on_failure == "quarantine"]


def is_unique(rule: Expectation) -> bool:
    return rule.kind.endswith("ToBeUnique")


def predicate(rule: Expectation) -> str:
    """The expression of one rule about single rows. Never NULL."""
    column = identifier(rule.columns[0])
    if rule.kind == "ExpectColumnValuesToNotBeNull":
        return f"NOT {_missing(column)}"
    if rule.kind == "ExpectColumnValuesToBeNull":
        return _missing(column)
    return f"({_missing(column)} OR ({condition(rule)}))"


def condition(rule: Expectation) -> str:
    """What a rule about one column's values asks of a value that is there."""
    return _CONDITIONS[rule.kind](identifier(rule.columns[0]), rule)


def first_of_its_key(rule: Expectation, among: str = "TRUE") -> str:
    """True for a key's first row in file order, and where the whole key is missing."""
    names = [identifier(name) for name in rule.columns]
    missing = " AND ".join(_missing(name) for name in names)
    keys = ", ".join([among, *names])
    return f"(({missing}) OR row_number() OVER (PARTITION BY {keys} ORDER BY {ROW}) = 1)"


def _missing(column: str) -> str:
    # pandas knows no difference between NaN and NULL; typeof keeps this off text that says 'nan'.
    is_nan = f"typeof({column}) IN ('DOUBLE', 'FLOAT') AND ltrim(CAST({column} AS VARCHAR), '-') = 'nan'"
    return f"({column} IS NULL OR ({is_nan}))"


def _all(expressions: Any) -> str:
    return " AND ".join(expressions) or "TRUE"


def between(value: str, given: Mapping[str, Any]) -> str:
    """SQL: `value` lies between min_value and max_value, each strictly or not."""
    low, high = given.get("min_value"), given.get("max_value")
    parts = [] if low is None else [f"{value} {'>' if given.get('strict_min') else '>='} {literal(low)}"]
    parts += [] if high is None else [f"{value} {'<' if given.get('strict_max') else '<='} {literal(high)}"]
    return _all(parts)


def _in_set(column: str, rule: Expectation) -> str:
    values = ", ".join(literal(value) for value in rule.arguments["value_set"])
    return f"{column} IN ({values})" if values else "FALSE"


def _matches(column: str, rule: Expectation) -> str:
    return f"regexp_matches(CAST({column} AS VARCHAR), {literal(rule.arguments['regex'])})"


def _of_type(column: str, rule: Expectation) -> str:
    return f"typeof({column}) IN ({', '.join(literal(name) for name in sql_types(rule))})"


def sql_types(rule: Expectation) -> tuple[str, ...]:
    """DuckDB's names of the types that a type rule allows. Raises SpecError for a name with none."""
    unknown = [name for name in rule.types if name not in TYPES]
    if unknown:
        raise SpecError(f"{rule}: {unknown[0]!r} has no type in a Parquet file.", hint=f"use {', '.join(TYPES)}.")
    return tuple(dict.fromkeys(name for given in rule.types for name in TYPES[given]))


_CONDITIONS: Mapping[str, Callable[[str, Expectation], str]] = MappingProxyType(
    {
        "ExpectColumnValuesToBeBetween": lambda column, rule: between(column, rule.arguments),
        "ExpectColumnValuesToBeInSet": _in_set,
        "ExpectColumnValuesToNotBeInSet": lambda column, rule: f"NOT ({_in_set(column, rule)})",
        "ExpectColumnValuesToMatchRegex": _matches,
        "ExpectColumnValuesToNotMatchRegex": lambda column, rule: f"NOT ({_matches(column, rule)})",
        "ExpectColumnValuesToBeOfType": _of_type,
        "ExpectColumnValuesToBeInTypeList": _of_type,
    }
)
