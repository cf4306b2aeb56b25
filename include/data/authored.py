"""SQL that an author of a model wrote: one query over the tables of its session, and nothing besides.

`admitted` looks at how DuckDB itself parses the text, before it runs: a single SELECT, from the session's own tables,
by functions that touch no file, setting or memory. `bounded` holds the run to a time and a size. The session's own lock
(include/data/session.py) stands behind both.
"""

from __future__ import annotations

import json
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from include.core.environment import SQL_MEMORY, SQL_SECONDS
from include.core.errors import DataError, SpecError

SLACK = 2 << 30  # bytes beyond DuckDB's bound: it does not count a single long text while it is made
TEXT = 1 << 20  # characters of a query

QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})  # INSERT and others are none
RELATIONS = frozenset({"BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SUBQUERY", "TABLE_FUNCTION"})
ORDERS = frozenset({"ASCENDING", "DESCENDING", "ORDER_DEFAULT"})
TABLE_FUNCTIONS = frozenset({
    "generate_series", "generate_subscripts", "json_each", "json_tree", "range", "regexp_split_to_table", "repeat", "unnest",
})  # fmt: skip
REFUSED_FUNCTIONS = frozenset({
    "current_connection_id", "current_query", "current_query_id", "current_setting", "current_transaction_id", "currval",
    "getenv", "getvariable", "in_search_path", "nextval", "query", "query_table", "set_config", "setseed", "setval", "sleep_ms",
    "txid_current", "which_secret", "write_log",
})  # fmt: skip
REFUSED_PREFIXES = (
    "__internal", "duckdb_", "has_", "inet_", "json_deserialize_sql", "json_execute", "json_serialize", "parquet_", "pg_",
    "pragma_", "read_", "register_",
)  # fmt: skip
SCHEMAS = frozenset({"main", "today"})
CATALOG = "memory"
ALLOWED = (
    f"one SELECT over the tables of its sources; of table functions {', '.join(sorted(TABLE_FUNCTIONS))}; no files, settings, "
    "secrets, extensions or other databases"
)


def admitted(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> str:
    """The SQL of a dataset as it stands. Raises SpecError for any that does more than ask the session's tables.

    SQL that does not parse is let through: running it says where.
    """
    statement = _statement(connection, name, sql)
    if statement is None:
        return sql
    held = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT temporary").fetchall()
    tables = {(schema.lower(), table.lower()) for schema, table in held}
    if problem := _first_problem(statement, tables | {("", query) for query in _named_queries(statement)}):
        raise _refused(name, problem)
    return sql


@contextmanager
def bounded(connection: duckdb.DuckDBPyConnection, name: str) -> Iterator[None]:
    """Hold a dataset's query to the stated time and memory. Raises DataError where it breaks either."""
    seconds = _seconds()
    over = threading.Event()

    def stop() -> None:
        over.set()
        connection.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        with _address_space(_limit(connection) + SLACK):
            yield
    except duckdb.InterruptException as error:
        if not over.is_set():
            raise
        raise DataError(
            f"The SQL of {name!r} ran longer than {seconds:g} seconds and was stopped.",
            safe="nothing was published.",
            hint=f"make it cheaper (a join without a condition?), or set {SQL_SECONDS.name} for the workers.",
        ) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise DataError(
            f"The SQL of {name!r} needs more memory or temporary space than it may have.",
            seen=str(error)[:400],
            safe="nothing was published.",
            hint=f"make it cheaper (a join without a condition?), or set {SQL_MEMORY.name} for the workers.",
        ) from error
    finally:
        timer.cancel()


def memory() -> str:
    """DuckDB's bound for sessions that run authors' SQL."""
    return SQL_MEMORY.read()


def _seconds() -> float:
    text = SQL_SECONDS.read()
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise SpecError(f"{SQL_SECONDS.name} must be a number of seconds above 0.", seen=text)
    return seconds


def _statement(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> Any:
    """How DuckDB reads it; None where it does not parse."""
    if len(sql) > TEXT:
        raise _refused(name, f"it has more than {TEXT} characters")
    try:
        kinds = [each.type for each in connection.extract_statements(sql)]
        if kinds and kinds != [duckdb.StatementType.SELECT]:
            raise _refused(name, f"it is {' and '.join(kind.name for kind in kinds)}")
        question = "SELECT json_serialize_sql(?, skip_null := true, skip_empty := true, skip_default := true)"
        (text,) = connection.execute(question, [sql]).fetchall()[0]
        found = json.loads(text)
    except duckdb.Error:
        return None
    except RecursionError as error:
        raise _refused(name, "it is nested too deep") from error
    if found["error"]:
        raise _refused(name, f"it cannot be read as a query ({found.get('error_message', '')})")
    return found["statements"]


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of the parsed query, outer ones first."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _named_queries(statement: Any) -> set[str]:
    """Names of its WITH clauses."""
    maps = (part["cte_map"].get("map", ()) for part in _parts(statement) if isinstance(part.get("cte_map"), dict))
    recursive = {part["cte_name"].lower() for part in _parts(statement) if isinstance(part.get("cte_name"), str)}
    return {entry["key"].lower() for entries in maps for entry in entries} | recursive


def _first_problem(statement: Any, tables: set[tuple[str, str]]) -> str:
    """What it does that it may not; empty if it does nothing of the kind."""
    for part in _parts(statement):
        kind = part.get("type")
        if not isinstance(kind, str):
            continue
        check: Callable[[dict[str, Any], set[tuple[str, str]]], str] = _expression if "class" in part else _relation
        if problem := check(part, tables):
            return problem
    return ""


def _expression(part: dict[str, Any], _: set[tuple[str, str]]) -> str:
    function = str(part.get("function_name", "")).lower()
    if function in REFUSED_FUNCTIONS or function.startswith(REFUSED_PREFIXES):
        return f"it calls {function}()"
    return ""


def _relation(part: dict[str, Any], tables: set[tuple[str, str]]) -> str:
    kind = part["type"]
    if kind == "BASE_TABLE":
        path = [str(step).lower() for step in part.get("qualified_name", {}).get("path", [part.get("table_name", "")])]
        if len(path) == 3 and path[0] == CATALOG:
            path = path[1:]
        known = len(path) == 1 and any(path[0] == table for _, table in tables)
        if known or (len(path) == 2 and path[0] in SCHEMAS and tuple(path) in tables):
            return ""
        return f"it reads {'.'.join(path)!r}, which is no table of its sources"
    if kind == "TABLE_FUNCTION":
        function = str(part.get("function", {}).get("function_name", "")).lower()
        return "" if function in TABLE_FUNCTIONS else f"it calls {function}() as a table"
    if kind in QUERIES or kind in RELATIONS or kind in ORDERS or kind.endswith("_MODIFIER"):
        return ""
    return f"it holds {kind.removesuffix('_NODE').replace('_', ' ')}"


def _refused(name: str, why: str) -> SpecError:
    return SpecError(
        f"The SQL of {name!r} was refused: {why}.",
        safe="it did not run, and nothing was published.",
        hint=f"allowed is {ALLOWED}.",
    )


_space = threading.Lock()
_open: list[tuple[int, int]] = []  # the limits before the first of those that are bounded now


@contextmanager
def _address_space(more: int) -> Iterator[None]:
    """Let this process map that many bytes more, and no others: where DuckDB keeps no count, the allocation fails."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    with _space:
        before = resource.getrlimit(resource.RLIMIT_AS)
        _open.append(before)
        mapped = int(statm.read_text().split()[0]) * resource.getpagesize()
        ceilings = [limit for limit in (mapped + more, *_open[0]) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(ceilings), before[1]))
    try:
        yield
    finally:
        with _space:
            first = _open[0]
            _open.pop()
            if not _open:
                resource.setrlimit(resource.RLIMIT_AS, first)


def _limit(connection: duckdb.DuckDBPyConnection) -> int:
    """DuckDB's own bound in bytes."""
    (text,) = connection.execute("SELECT current_setting('memory_limit')").fetchall()[0]
    number, _, unit = str(text).partition(" ")
    units = {"KIB": 10, "MIB": 20, "GIB": 30, "TIB": 40, "PIB": 50}
    return int(float(number) * (1 << units.get(unit.upper(), 0)))
