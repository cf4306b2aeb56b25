"""Empty stores for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.settings import Settings


def empty_control(folder: Path) -> ControlStore:
    """A control store on SQLite with its tables, in a folder."""
    store = ControlStore(f"sqlite:///{folder / 'control.db'}")
    store.create_tables()
    return store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of an installation of the test's own, whose jobs are processes."""
    return Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path / "home"), "SLIPSTREAM_JOB_BACKEND": "process"})


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return Ledger(settings.storage())


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where a test writes what is not stored yet."""
    folder = tmp_path / "made"
    folder.mkdir()
    return folder
