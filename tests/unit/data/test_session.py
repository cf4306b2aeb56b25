"""One place opens DuckDB sessions; they do not depend on the host, and nothing that runs in them changes that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from include.data.session import open_session

ROOT = Path(__file__).parents[3]
PROJECT = [*(ROOT / "include").rglob("*.py"), *(ROOT / "operators").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
# Whatever opens a session, or runs a query in the module's default one.
OPENING = (
    "duckdb.connect(",
    "duckdb.sql(",
    "duckdb.query(",
    "duckdb.execute(",
    "duckdb.read_",
    "duckdb.from_",
    "duckdb.default_",
)


def test_no_other_place_opens_one() -> None:
    places = {
        f"{path.relative_to(ROOT)}: {word}" for path in PROJECT for word in OPENING if word in path.read_text(encoding="utf-8")
    }
    assert places == {"include/data/session.py: duckdb.connect("}
    assert not [path for path in PROJECT if "from duckdb import" in path.read_text(encoding="utf-8")]


ZONED = "SELECT TIMESTAMPTZ '2013-01-02 03:00:00+00'::TIMESTAMP::VARCHAR, strftime('2013-07-01'::TIMESTAMPTZ, '%z')"


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_the_hosts_zone_does_not_count(zone: str) -> None:
    code = f"from include.data.session import open_session; print(open_session().execute({ZONED!r}).fetchall())"
    environment = {**os.environ, "TZ": zone, "PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[('2013-01-02 03:00:00', '+00')]"


@pytest.mark.parametrize(
    "statement",
    [
        "SET TimeZone = 'America/New_York'",
        "SET GLOBAL TimeZone = 'America/New_York'",
        "RESET TimeZone",
        "SET threads = 4",
        "SET memory_limit = '9GB'",
        "SET lock_configuration = false",
        "SET enable_progress_bar = true",
        "SET disabled_optimizers = ''",
    ],
)
def test_nothing_changes_its_settings(statement: str) -> None:
    with open_session() as connection, pytest.raises(duckdb.Error, match="locked"):
        connection.execute(statement)


def test_a_query_cannot_take_a_table_from_python_or_load_code() -> None:
    orders = open_session().sql("SELECT 1 AS x").to_arrow_table()
    assert orders.num_rows == 1
    with open_session() as connection:
        with pytest.raises(duckdb.CatalogException):
            connection.execute("SELECT * FROM orders")
        with pytest.raises(duckdb.Error):
            connection.execute("INSTALL httpfs FROM community")


def test_its_options(tmp_path: Path) -> None:
    names = ("threads", "preserve_insertion_order", "temp_directory", "disabled_optimizers", "memory_limit")
    query = f"SELECT {', '.join(f'current_setting({name!r})::VARCHAR' for name in names)}"
    with open_session(3, "500MB", spill=tmp_path / "spill", keep_order=False, nan_counts=True) as connection:
        found = dict(zip(names, connection.execute(query).fetchall()[0], strict=True))
    assert found.pop("memory_limit").startswith("476.8")
    assert found == {
        "threads": "3",
        "preserve_insertion_order": "false",
        "temp_directory": str(tmp_path / "spill"),
        "disabled_optimizers": "statistics_propagation",
    }
