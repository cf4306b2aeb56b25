from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.storage import LocalStorage
from tests.support.databases import postgres as postgres
from tests.support.databases import url as url


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LocalStorage(tmp_path / "store"))


@pytest.fixture
def control(url: str) -> ControlStore:
    store = ControlStore(url)
    store.create_tables()
    return store
