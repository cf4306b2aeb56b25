"""A control store with registered versions: 1 to 3 are candidates, the gate of 4 is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore, versions
from include.core.time import timestamp
from tests.support.databases import postgres, url  # noqa: F401  (fixtures)
from tests.support.experiment_log import MODEL


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return filled(f"sqlite:///{tmp_path / 'control.db'}")


@pytest.fixture
def anywhere(url: str) -> ControlStore:  # noqa: F811
    """The same on SQLite and on PostgreSQL."""
    return filled(url)


def filled(where: str) -> ControlStore:
    store = ControlStore(where)
    store.create_tables()
    with store.transaction() as connection:
        for version in (1, 2, 3, 4):
            stage = "Staging" if version == 4 else "Candidate"
            row = {"key": f"k{version}", "model": MODEL, "version": version, "semver": f"1.{version}.0", "record": {}}
            connection.execute(versions.insert().values(stage=stage, at=timestamp(), **row))
    return store
