"""Who may do what in the embedded PostgreSQL: a role owns each database and sees no other; the DAG processor has its own.

The DAG processor imports authors' code beside its database connection, and cannot be without one: it writes what it parsed.
So its role reads and writes Airflow's tables, except those in which Airflow keeps other people's secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from include.local.credentials import Credentials
from include.local.platform import Platform
from include.local.postgres import superuser_dsn

DATABASES = ("airflow", "mlflow", "mlflow_auth")  # each owned by the role of its name
DAGS = "airflow_dags"  # the DAG processor's role
SECRET_TABLES = ("connection", "variable", "xcom", "connection_test_request")  # Airflow's, that no parsing of a spec reads

# Objects that an earlier version made as the superuser. What an extension made is left to it.
_OWN = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT format('ALTER %s %I.%I OWNER TO %I', CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW'
                      WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, nspname, relname, current_database()) AS change
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'public' AND relkind IN ('r', 'p', 'S', 'v', 'm') AND relowner <> quote_ident(current_database())::regrole
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('a', 'i', 'e') AND relkind = 'S')
        UNION ALL
        SELECT format('ALTER TYPE %I.%I OWNER TO %I', nspname, typname, current_database())
        FROM pg_type JOIN pg_namespace ON pg_namespace.oid = typnamespace
        WHERE nspname = 'public' AND typtype IN ('e', 'd') AND typowner <> quote_ident(current_database())::regrole
    LOOP
        EXECUTE found.change;
    END LOOP;
END $$
"""

_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


def create_databases(platform: Platform, credentials: Credentials) -> None:
    """Make what is missing: roles, databases, and who owns what. Doing it again changes nothing."""
    with _cursor(platform, credentials) as cursor:
        for role in (*DATABASES, DAGS):
            _make_role(cursor, role, getattr(credentials, f"postgres_{role}"))
        cursor.execute("SELECT datname FROM pg_database")
        present = {row[0] for row in cursor.fetchall()}
        for name in DATABASES:
            cursor.execute(
                f'ALTER DATABASE "{name}" OWNER TO "{name}"' if name in present else f'CREATE DATABASE "{name}" OWNER "{name}"'
            )
            cursor.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        cursor.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        cursor.execute(f'GRANT CONNECT ON DATABASE airflow TO "{DAGS}"')
    for name in DATABASES:
        with _cursor(platform, credentials, name) as cursor:
            cursor.execute(_OWN)


def grant_parsing(platform: Platform, credentials: Credentials) -> None:
    """After Airflow's tables are there: the DAG processor's rights on them. Doing it again changes nothing."""
    with _cursor(platform, credentials, "airflow") as cursor:
        cursor.execute(f'GRANT USAGE ON SCHEMA public TO "{DAGS}"')
        cursor.execute(f'GRANT {_RIGHTS} ON ALL TABLES IN SCHEMA public TO "{DAGS}"')
        cursor.execute(f'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO "{DAGS}"')
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        present = {row[0] for row in cursor.fetchall()}
        for table in present.intersection(SECRET_TABLES):
            cursor.execute(f'REVOKE ALL ON TABLE public."{table}" FROM "{DAGS}"')


def settle_airflow(platform: Platform, credentials: Credentials) -> None:
    """Once Airflow's tables are there. Doing it again changes nothing."""
    grant_parsing(platform, credentials)
    _open_watchers(platform, credentials)


def _open_watchers(platform: Platform, credentials: Credentials) -> None:
    """The watchers' arguments (a model's name, a queue's) as plain text, as the DAG processor writes and reads them.

    Earlier versions gave it the key to Airflow's connections only to encrypt these; Airflow takes either form.
    """
    from cryptography.fernet import Fernet, InvalidToken

    key = Fernet(credentials.airflow_fernet_key)
    with _cursor(platform, credentials, "airflow") as cursor:
        cursor.execute("SELECT to_regclass('public.asset_watcher') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return
        cursor.execute(
            "SELECT DISTINCT t.id, t.kwargs FROM trigger t JOIN asset_watcher w ON w.trigger_id = t.id"
            " WHERE t.kwargs NOT LIKE '{%'"
        )
        for number, encrypted in cursor.fetchall():
            try:
                plain = key.decrypt(encrypted.encode()).decode()
            except InvalidToken:  # of a key that is gone: nobody can read it
                continue
            cursor.execute("UPDATE trigger SET kwargs = %s WHERE id = %s AND kwargs = %s", (plain, number, encrypted))


def _make_role(cursor: Any, name: str, password: str) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
    verb = "ALTER" if cursor.fetchone() else "CREATE"
    cursor.execute(f'{verb} ROLE "{name}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %s', (password,))


@contextmanager
def _cursor(platform: Platform, credentials: Credentials, database: str = "postgres") -> Iterator[Any]:
    import psycopg2

    connection = psycopg2.connect(superuser_dsn(platform, credentials, database))
    connection.autocommit = True  # CREATE DATABASE refuses a transaction
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
