from __future__ import annotations

from datetime import timedelta

import pytest

from include.core.control import ControlStore
from include.core.settings import Settings
from include.monitoring.reference import Reference
from tests.support.stores import ledger as ledger
from tests.support.stores import scratch as scratch
from tests.support.stores import settings as settings
from tests.support.synthetic_predictions import INPUTS, MADE, training


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
