"""Every DuckDB session of the project is opened here, so that none depends on the host: its zone, its cores, its folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import duckdb

from include.data.sql import exact, literal

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
    lock: bool = True,
) -> duckdb.DuckDBPyConnection:
    """An empty in-memory database whose clock is UTC; its settings are locked, whatever SQL an author runs in it.

    `threads`: one gives sums of floats that are equal every time; None takes all cores. `memory`: DuckDB's bound, such as
    "500MB"; None leaves its own, a share of the machine. `spill`: the folder for what does not fit; one in the scratch
    of the task goes with it. `keep_order` false lets rows come in any order, which is faster in big writes.
    `nan_counts`: set it wherever SQL compares columns of a Parquet file that may hold NaN. A column's statistics leave NaN
    out, and DuckDB folds comparisons by them: NaN would seem to keep a bound that it breaks. `lock` false leaves the settings
    open until `seal`, which whoever runs an author's SQL calls before it.
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
    if spill:
        connection.execute(f"SET max_temp_directory_size = '{_half_of_free(Path(spill))}B'")
    if lock:
        connection.execute("SET lock_configuration = true")
    return connection


def seal(connection: duckdb.DuckDBPyConnection, files: Iterable[Path | str] = ()) -> None:
    """From now on nothing but these files is read or written, no extension is loaded, and no setting changes."""
    paths = [each for file in map(Path, files) for each in (file, file.with_name(f"tmp_{file.name}"))]  # COPY's, until it is done
    named = sorted({text for path in paths for text in (str(path), exact(path))})
    connection.execute(f"SET allowed_paths = [{', '.join(map(literal, named))}]")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")


def _half_of_free(folder: Path) -> int:
    """Bytes: what does not fit into memory may take half of the disk's free space, and leaves the rest to others."""
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return max(shutil.disk_usage(place).free // 2, 1 << 20)
