"""An installation as the release before schema migrations left it, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import new_database
from tests.support.databases import postgres as postgres

FIXTURE = Path(__file__).parent / "fixture"


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    """What that release's own code answered."""
    answers: dict[str, Any] = json.loads((FIXTURE / "expected.json").read_text())
    return answers


@pytest.fixture(autouse=True)
def _mask() -> Iterator[None]:
    """A command sets the mask of its process; PostgreSQL's user must reach what the next test makes."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with tarfile.open(FIXTURE / "home.tar.gz") as archive:
        archive.extractall(tmp_path / "home", filter="tar")
    return tmp_path / "home"


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, home: Path) -> str:
    """The control store of that release."""
    if request.param == "sqlite":
        return f"sqlite:///{home / 'control.db'}"
    return fill(request.getfixturevalue("postgres"), f"t{abs(hash(str(home)))}", (FIXTURE / "postgresql.sql").read_text())


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return fill(request.getfixturevalue("postgres"), f"e{abs(hash(str(tmp_path)))}", "")


def fill(server: str, name: str, statements: str) -> str:
    """A database of that name with what the statements put into it."""
    import psycopg2

    made = new_database(server, name)
    if statements:
        session = psycopg2.connect(made)
        with session, session.cursor() as cursor:
            cursor.execute(statements)
        session.close()
    return made
