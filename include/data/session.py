"""Every DuckDB session of the project is opened here, so that none depends on the host: its zone, its cores, its folders."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

# No query may load or fetch code, and none may take a table from the Python variables around it.
_CLOSED = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}


def open_session(
    threads: int | None = 1,
    memory: str | None = None,
    *,
    spill: Path | str | None = None,
    keep_order: bool = True,
    nan_counts: bool = False,
) -> duckdb.DuckDBPyConnection:
    """An empty in-memory database whose clock is UTC; its settings are locked, whatever SQL an author runs in it.

    `threads`: one gives sums of floats that are equal every time; None takes all cores. `memory`: DuckDB's bound, such as
    "500MB"; None leaves its own, a share of the machine. `spill`: the folder for what does not fit; one in the scratch
    of the task goes with it. `keep_order` false lets rows come in any order, which is faster in big writes.
    `nan_counts`: set it wherever SQL compares columns of a Parquet file that may hold NaN. A column's statistics leave NaN
    out, and DuckDB folds comparisons by them: NaN would seem to keep a bound that it breaks.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        **_CLOSED,
        "threads": threads or os.cpu_count() or 1,
        "preserve_insertion_order": keep_order,
    }
    if memory:
        config["memory_limit"] = memory
    if spill:
        config["temp_directory"] = str(spill)
    connection = duckdb.connect(config=config)
    # A time with a zone is shown, cast and truncated in the session's zone, which is the host's unless it is set.
    connection.execute("SET TimeZone = 'UTC'; SET Calendar = 'gregorian'; SET enable_progress_bar = false")
    if nan_counts:
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    connection.execute("SET lock_configuration = true")
    return connection
