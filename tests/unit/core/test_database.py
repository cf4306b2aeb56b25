"""What the control store's address may be, and which refusals no retry can help."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from include.core.control import ControlStore
from include.core.database import PATIENCE, _connect_args, explained
from include.core.environment import CA_BUNDLE
from include.core.errors import PermanentError, SpecError, UnreachableError


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:hunter2@h/x",
        "postgresql+asyncpg://me:hunter2@h/x",
        "mysql://me:hunter2@h/x",
        "oracle+nothing://me:hunter2@h/x",
        "/tmp/control.db",
        "",
        "postgresql://me:hunter2@h:port/x",
    ],
)
def test_an_address_that_we_cannot_use_is_refused_with_one_that_we_can(url: str) -> None:
    with pytest.raises(SpecError, match=r"(?s)SLIPSTREAM_CONTROL_URL.*sqlite:////absolute/path\.db or postgresql://") as refused:
        ControlStore(url)
    assert "hunter2" not in str(refused.value)


def test_the_scheme_that_other_tools_write_is_understood() -> None:
    assert ControlStore("postgres://me@h/x").engine.url.drivername == "postgresql+psycopg2"


@pytest.mark.parametrize(
    ("words", "kind", "cure"),
    [
        ('FATAL:  password authentication failed for user "me"', PermanentError, "correct the user and the password"),
        ('FATAL:  database "x" does not exist', PermanentError, "create the database"),
        ('FATAL:  role "me" does not exist', PermanentError, "create the database or the role"),
        ('relation "versions" does not exist', PermanentError, "it lost a table"),
        ("no such table: versions", PermanentError, "it lost a table"),
        ("FATAL:  no pg_hba.conf entry for host", PermanentError, "sslmode=require"),
        ("SSL error: certificate verify failed", PermanentError, "SLIPSTREAM_CA_BUNDLE"),
        ('root certificate file "/root/.postgresql/root.crt" does not exist', PermanentError, "SLIPSTREAM_CA_BUNDLE"),
        ('server certificate for "db" does not match host name "h"', PermanentError, "as its certificate does"),
        ("server does not support SSL, but SSL was required", PermanentError, "switch TLS on there"),
        ("FATAL:  unsupported startup parameter: options", PermanentError, "the pooler refuses it"),
        ("FATAL:  the database system is starting up", UnreachableError, "the task is retried"),
        ("FATAL:  sorry, too many clients already", UnreachableError, "the task is retried"),
        ("server closed the connection unexpectedly", UnreachableError, "the task is retried"),
    ],
)
def test_a_refusal_that_stays_is_permanent_and_one_that_may_pass_is_not(words: str, kind: type[Exception], cure: str) -> None:
    url = "postgresql://me:hunter2@h/x"
    told = explained(url, OperationalError("", {}, Exception(f"connection with hunter2 failed: {words}")))
    assert type(told) is kind
    assert cure in str(told)
    assert "hunter2" not in str(told)


def test_a_sqlite_file_that_cannot_be_one_is_permanent(tmp_path: Path) -> None:
    (tmp_path / "control.db").write_text("no database " * 1000)
    with pytest.raises(PermanentError, match=r"(?s)file is not a database.*name a SQLite database"):
        ControlStore(f"sqlite:///{tmp_path}/control.db").create_tables()
    with pytest.raises(PermanentError, match="make the folder"):
        ControlStore(f"sqlite:///{tmp_path}/nowhere/control.db").take("r", "me")


def test_a_role_without_rights_is_reported_which(postgres: str) -> None:
    server = sa.create_engine(sa.make_url(postgres).set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text("CREATE ROLE nobody_here LOGIN"))
    with pytest.raises(PermanentError, match=r"(?s)permission denied.*grant the role CREATE"):
        ControlStore(sa.make_url(postgres).set(username="nobody_here").render_as_string(hide_password=False)).create_tables()


def test_a_postgres_transaction_has_its_time_limits_and_leaves_none_behind(postgres: str) -> None:
    store = ControlStore(postgres)
    with store.transaction() as connection:
        assert connection.execute(sa.text("SHOW lock_timeout")).scalar() == "30s"
        assert connection.execute(sa.text("SHOW idle_in_transaction_session_timeout")).scalar() == "1min"
        connection.commit()
        assert connection.connection.driver_connection is not None
        cursor = connection.connection.driver_connection.cursor()
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)  # as a pooler would hand the session to the next


def test_what_an_address_leaves_open_is_ours_and_what_it_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CA_BUNDLE.name, "/authorities.pem")

    def args(query: str) -> dict[str, object]:
        return _connect_args(sa.make_url(f"postgresql://h/x{query}"))

    assert args("") == PATIENCE
    assert args("?sslmode=require") == PATIENCE  # as libpq means it: encrypted, and nothing is verified
    for mode in ("verify-ca", "verify-full"):
        assert args(f"?sslmode={mode}") == {**PATIENCE, "sslrootcert": "/authorities.pem"}
    assert "sslrootcert" not in args("?sslmode=verify-full&sslrootcert=system")
    assert args("?connect_timeout=3&tcp_user_timeout=1") == {
        name: value for name, value in PATIENCE.items() if name not in ("connect_timeout", "tcp_user_timeout")
    }
