from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.monitoring.reference import Reference
from tests.support.synthetic_predictions import INPUTS, MADE, training


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path / "home"), "SLIPSTREAM_JOB_BACKEND": "process"})


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return Ledger(settings.storage())


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    return folder


@pytest.fixture
def control(settings: Settings) -> ControlStore:
    settings.home.mkdir(parents=True, exist_ok=True)
    store = ControlStore(settings.control_url)
    store.create_tables()
    return store


@pytest.fixture(scope="session")
def reference() -> Reference:
    """The synthetic champion's thirteen past weeks."""

    return Reference.of(training(), INPUTS, timedelta(days=7), MADE)
