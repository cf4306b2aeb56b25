"""An author's SQL: it asks the tables of its sources, and does nothing else, through whichever door it comes in."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.environment import SQL_MEMORY, SQL_SECONDS
from include.core.errors import DataError, SpecError
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import Feature, View
from include.data import authored
from include.data.authored import admitted, bounded
from include.data.session import open_session, seal
from include.data.sql import copy, parquet
from include.features.offline.dataset import check, of_view
from include.features.offline.pinned import pinned_rows
from include.features.online.stream import stream_rows
from include.model_contract.definition import Definition
from include.models.flight_delay import features as flights
from include.models.flight_delay.spec import SPEC as FLIGHTS
from tests.support import shop

DAY = date(2013, 1, 1)
SECRET = "what only the installation knows"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.parquet"
    pq.write_table(pa.table({"a": [SECRET]}), path)
    (tmp_path / "secret.txt").write_text(SECRET)
    return path


@pytest.fixture
def session(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """As the features step has it: tables loaded, then sealed."""
    with open_session(1, "300MB", spill=tmp_path / "spill", lock=False) as connection:
        connection.execute("CREATE SCHEMA today; CREATE TABLE main.orders AS SELECT range AS a, 'x' AS b FROM range(10)")
        connection.execute("CREATE TABLE today.orders AS FROM main.orders; CREATE TEMP TABLE _result AS SELECT 1 AS a")
        seal(connection, [tmp_path / "out.parquet"])
        yield connection


ATTACKS = {
    "a file by its name": "SELECT * FROM '{folder}/secret.parquet'",
    "a file by a reader": "SELECT * FROM read_parquet('{folder}/secret.parquet')",
    "a file as text": "SELECT content AS a FROM read_text('{folder}/secret.txt')",
    "a file as bytes": "SELECT content FROM read_blob('{folder}/secret.txt')",
    "a file as CSV": "SELECT * FROM read_csv('/etc/passwd', delim=':')",
    "a file as JSON": "SELECT * FROM read_json_auto('{folder}/secret.txt')",
    "a file's columns": "SELECT * FROM parquet_schema('{folder}/secret.parquet')",
    "a file guessed at": "SELECT * FROM sniff_csv('/etc/passwd')",
    "names of files": "SELECT * FROM glob('{folder}/*')",
    "a database's file": "SELECT * FROM read_duckdb('{folder}/x.db')",
    "an address": "SELECT * FROM 'https://example.org/x.csv'",
    "a bucket": "SELECT * FROM read_parquet('s3://bucket/key.parquet')",
    "in a branch": "SELECT a FROM orders WHERE a IN (SELECT count(*) FROM '/etc/passwd')",
    "in a WITH": "WITH orders2 AS (FROM read_text('/etc/passwd')) SELECT * FROM orders2",
    "beside it": "SELECT * FROM orders, LATERAL (SELECT * FROM glob('/*'))",
    "as a method": "SELECT 'temp_directory'.current_setting() AS a",
    "in a lambda": "SELECT list_transform(['HOME'], lambda x: getenv(x)) AS a",
    "in a window": "SELECT max(current_setting('threads')) OVER () AS a FROM orders",
    "under another schema": "SELECT system.main.current_setting('threads') AS a",
    "the environment": "SELECT getenv('HOME') AS a",
    "a setting": "SELECT current_setting('temp_directory') AS a",
    "all settings": "SELECT * FROM duckdb_settings()",
    "secrets": "SELECT * FROM duckdb_secrets()",
    "which secret": "SELECT * FROM which_secret('s3://x', 's3')",
    "the catalogue": "SELECT * FROM information_schema.tables",
    "the catalogue, PostgreSQL's way": "SELECT * FROM pg_catalog.pg_settings",
    "the catalogue, SQLite's way": "SELECT * FROM sqlite_master",
    "our own table": "SELECT * FROM temp._result",
    "a text as a query": "SELECT * FROM query('SELECT 1')",
    "a text as a table": "SELECT * FROM query_table('orders')",
    "a parsed query": "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "memory by its address": "SELECT * FROM arrow_scan(1::POINTER, 2::POINTER, 3::POINTER)",
    "frames by their address": "SELECT * FROM pandas_scan(1::POINTER)",
    "the log": "SELECT write_log('x') AS a",
    "sleep": "SELECT sleep_ms(100000000) AS a",
    "sleep, PostgreSQL's way": "SELECT pg_sleep(100000) AS a",
    "a query's text": "SELECT current_query() AS a",
    "INSERT in a WITH": "WITH x AS (INSERT INTO orders VALUES (1, 'x') RETURNING *) SELECT * FROM x",
    "DELETE in a WITH": "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
    "SHOW as a table": "SELECT * FROM (SHOW ALL TABLES)",
    "two statements": "SELECT * FROM orders; SELECT 1",
    "INSTALL": "INSTALL httpfs",
    "LOAD": "LOAD '{folder}/x.duckdb_extension'",
    "ATTACH": "ATTACH '{folder}/x.db' AS x",
    "ATTACH in memory": "ATTACH ':memory:' AS x",
    "DETACH": "DETACH memory",
    "COPY TO": "COPY orders TO '{folder}/out.parquet'",
    "COPY FROM": "COPY orders FROM '/etc/passwd'",
    "EXPORT": "EXPORT DATABASE '{folder}/exported'",
    "IMPORT": "IMPORT DATABASE '{folder}/exported'",
    "PRAGMA": "PRAGMA enable_profiling",
    "SET": "SET memory_limit = '100GB'",
    "SET VARIABLE": "SET VARIABLE x = 1",
    "RESET": "RESET memory_limit",
    "CALL": "CALL pragma_version()",
    "USE": "USE memory.today",
    "CREATE SECRET": "CREATE SECRET s (TYPE s3)",
    "CREATE MACRO": "CREATE MACRO range(x) AS TABLE FROM read_text(x)",
    "CREATE TABLE": "CREATE TABLE x AS SELECT 1",
    "CREATE VIEW": "CREATE OR REPLACE VIEW today.v AS SELECT 1",
    "INSERT": "INSERT INTO orders VALUES (1, 'x')",
    "UPDATE": "UPDATE orders SET a = 0",
    "DELETE": "DELETE FROM orders",
    "DROP": "DROP TABLE orders",
    "PREPARE": "PREPARE p AS SELECT 1",
    "EXPLAIN": "EXPLAIN ANALYZE SELECT 1",
    "CHECKPOINT": "CHECKPOINT",
    "a transaction": "BEGIN TRANSACTION",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_refused_by_name_before_it_runs(attack: str, session: duckdb.DuckDBPyConnection, secret: Path) -> None:
    with pytest.raises(SpecError, match="refused") as refused:
        admitted(session, "customer", ATTACKS[attack].format(folder=secret.parent))
    assert "'customer'" in str(refused.value)
    assert "allowed is one SELECT" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "statement",
    [
        *(name for name in ATTACKS if name.startswith(("a file", "names", "a database", "an address", "a bucket", "COPY FROM"))),
        "LOAD", "ATTACH", "EXPORT", "IMPORT", "PRAGMA", "SET", "RESET", "CREATE SECRET", "INSTALL",
    ],
)  # fmt: skip
def test_the_session_itself_refuses_it_too(statement: str, session: duckdb.DuckDBPyConnection, secret: Path) -> None:
    with pytest.raises(duckdb.Error):
        session.execute(ATTACKS[statement].format(folder=secret.parent)).fetchall()
    assert sorted(path.name for path in secret.parent.glob("*.*")) == ["secret.parquet", "secret.txt"]


DOORS = ["views", "entities", "labels"]


@pytest.mark.parametrize("attack", ["a file by its name", "a file as text", "COPY TO", "a setting", "INSERT in a WITH"])
@pytest.mark.parametrize("door", DOORS)
def test_the_features_step_refuses_it_in_each_of_its_queries(
    attack: str, door: str, tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = _shop(tmp_path, monkeypatch)
    sql = ATTACKS[attack].format(folder=secret.parent)
    monkeypatch.setattr(shop, door, (lambda day: {"customer": sql}) if door == "views" else (lambda: sql))
    with pytest.raises(SpecError, match="refused"):
        life.features(DAY)


def test_the_stream_refuses_it(tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = _shop(tmp_path, monkeypatch)
    monkeypatch.setattr(shop, "views", lambda day: {"customer": f"SELECT * FROM '{secret}'"})
    with pytest.raises(SpecError, match="refused"):
        list(stream_rows(shop.SPEC, life.raw, DAY, DAY))


def test_a_models_stored_definition_is_refused_too(tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = _shop(tmp_path, monkeypatch)
    result = life.features(DAY)
    stored = Definition(shop.SPEC.features.views[0], f"SELECT * FROM '{secret}'")
    with pytest.raises(SpecError, match="refused"):
        list(pinned_rows(life.ledger, result, [stored], tmp_path / "earlier"))


def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> shop.Shop:
    monkeypatch.setattr("include.features.offline.sources.good_rows", shop.good_rows)
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path / "home")})
    life = shop.Shop(Ledger(settings.storage()), settings)
    life.land_days(1)
    return life


LEGITIMATE = {
    "a plain one": "SELECT a, b FROM orders",
    "FROM first": "FROM orders",
    "of the schema": "SELECT a FROM memory.main.orders JOIN today.orders USING (a)",
    "in other letters": "SELECT A FROM Main.ORDERS",
    "a WITH": "WITH first AS (SELECT a FROM orders), second AS (FROM first) SELECT * FROM second",
    "a recursion": "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r WHERE a < 5) SELECT * FROM r",
    "sets": "(SELECT a FROM orders UNION ALL SELECT 1) EXCEPT SELECT 2",
    "windows": "SELECT a, sum(a) OVER (ORDER BY a ROWS 2 PRECEDING) FROM orders QUALIFY row_number() OVER () > 1 ORDER BY 1",
    "a limit": "SELECT a FROM orders ORDER BY ALL LIMIT 3 OFFSET 1",
    "lists": "SELECT u FROM orders, unnest([a, a + 1]) AS t(u), generate_series(1, 2), range(3)",
    "values": "SELECT * FROM (VALUES (1), (2)) AS v(a) SEMI JOIN orders USING (a)",
    "a pivot": "FROM (PIVOT orders ON b IN ('x') USING sum(a))",
    "an ASOF join": "SELECT * FROM orders o ASOF LEFT JOIN today.orders t ON o.a >= t.a",
    "a sample": "SELECT * FROM orders USING SAMPLE 50%",
    "functions": "SELECT date_trunc('hour', now()), regexp_matches(b, 'x'), json_extract('[]', '$.a') FROM orders",
    "all columns": "SELECT COLUMNS(*), * EXCLUDE (b) REPLACE (a + 1 AS a) FROM orders",
    "with a comment at its end": "SELECT a FROM orders -- all of them",
}


@pytest.mark.parametrize("query", LEGITIMATE)
def test_what_authors_write_runs_as_it_did(query: str, session: duckdb.DuckDBPyConnection) -> None:
    sql = LEGITIMATE[query]
    assert admitted(session, "customer", sql) == sql
    with bounded(session, "customer"):
        session.execute(sql).fetchall()


def test_the_queries_of_the_model_that_comes_along_are_let_through() -> None:
    with open_session() as connection:
        connection.execute("CREATE SCHEMA today")
        for source in FLIGHTS.data.sources:
            connection.execute(f"CREATE TABLE main.{source} (x INTEGER); CREATE TABLE today.{source} (x INTEGER)")
        queries: dict[str, Any] = {**flights.views(DAY), "entities": flights.entities(), "labels": flights.labels()}
        for name, sql in queries.items():
            assert admitted(connection, name, sql) == sql


def test_sql_that_does_not_parse_is_reported_by_its_run(session: duckdb.DuckDBPyConnection) -> None:
    assert admitted(session, "customer", "SELEC 1") == "SELEC 1"


def test_a_nested_query_without_end_is_refused_or_does_not_parse(session: duckdb.DuckDBPyConnection) -> None:
    for sql in ("(" * 5000 + "SELECT 1" + ")" * 5000, "SELECT " + "+".join(["1"] * 20_000), "SELECT '" + "x" * (1 << 21) + "'"):
        try:
            admitted(session, "customer", sql)
            session.execute(sql)
        except (SpecError, duckdb.Error):
            continue


VIEW = View(name="v", keys=(), features=(Feature(name="x"),))
ENDLESS = "SELECT sum(p.range * q.range) AS x FROM range(100000000) p, range(1000000) q"
WITHOUT_END = "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r) SELECT x FROM r"


@pytest.mark.parametrize("sql", [ENDLESS, WITHOUT_END], ids=["a join", "a recursion"])
def test_a_query_that_runs_too_long_is_stopped(
    sql: str, session: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SQL_SECONDS.name, "0.3")
    with pytest.raises(DataError, match=r"longer than 0\.3 seconds"):
        check_text(session, sql)
    assert session.execute("SELECT 1").fetchall() == [(1,)]


TOO_MUCH = {
    "one list": "SELECT len(range(2000000000)) AS x",
    "a text of many": "SELECT length(string_agg(repeat('x', 100000), '')) AS x FROM range(100000)",
    "texts that nobody counts": "SELECT sum(length(repeat('x', 2000000000))) AS x FROM range(100)",
    "more than the disk may take": (
        "SELECT max(c) AS x FROM (SELECT hash(range) AS c, repeat('y', 500 + range % 9) AS d FROM range(900000) ORDER BY c, d)"
    ),
}


@pytest.mark.parametrize("sql", TOO_MUCH)
def test_a_query_that_takes_too_much_is_stopped(sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authored, "SLACK", 1 << 30)
    monkeypatch.setattr("include.data.session._half_of_free", lambda folder: 50 << 20)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open_session(1, "100MB", spill=tmp_path / "spill", lock=False) as connection:
        seal(connection)
        with pytest.raises(DataError, match="needs more memory or temporary space"):
            check_text(connection, TOO_MUCH[sql])
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def check_text(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    admitted(connection, "v", sql)
    check(connection, of_view(VIEW), f"SELECT x::DOUBLE AS x, TIMESTAMP '{DAY}' AS event_timestamp FROM ({sql})", DAY)


def test_the_bounds_are_those_that_an_operator_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(SQL_MEMORY.name, "256MiB")
    with open_session(1, authored.memory()) as connection:
        assert connection.execute("SELECT current_setting('memory_limit')").fetchall() == [("256.0 MiB",)]
        monkeypatch.setenv(SQL_SECONDS.name, "soon")
        with pytest.raises(SpecError, match=SQL_SECONDS.name), bounded(connection, "v"):
            pass


def test_our_own_files_are_read_and_written_in_a_sealed_session(tmp_path: Path) -> None:
    folder = tmp_path / "a[b]*"
    folder.mkdir()
    ours, other = folder / "in.parquet", folder / "other.parquet"
    for path in (ours, other):
        pq.write_table(pa.table({"a": [1]}), path)
    with open_session(lock=False) as connection:
        seal(connection, [ours, folder / "out.parquet"])
        assert connection.execute(f"FROM {parquet([ours])}").fetchall() == [(1,)]
        for _ in range(2):  # again, over what is there
            connection.execute(copy("SELECT 1 AS a", folder / "out.parquet"))
        with pytest.raises(duckdb.PermissionException):
            connection.execute(f"FROM {parquet([other])}")


def test_every_table_function_of_this_duckdb_is_allowed_by_name_or_refused(session: duckdb.DuckDBPyConnection) -> None:
    names = session.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type LIKE 'table%'").fetchall()
    for (name,) in names:
        if name not in authored.TABLE_FUNCTIONS:
            with pytest.raises(SpecError, match="refused"):
                admitted(session, "v", f"SELECT * FROM {name}(1)")
